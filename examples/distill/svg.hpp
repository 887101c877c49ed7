#pragma once
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>
namespace distill {
/// Text as XML holds it: markup escaped, what XML 1.0 forbids or is no UTF-8 replaced.
std::string escaped(std::string_view text);
/// `x` with this many decimals and a point, whatever the locale.
std::string fixed(double x, int decimals);
/// A coordinate: two decimals, without trailing zeros.
std::string number(double x);

enum class anchor { start, middle, end };

struct text_style {
  double size = 13;
  std::string_view colour = "#3d3d3a";
  anchor align = anchor::start;
  bool bold = false;
  double turn = 0;  ///< degrees, about the text's own point
};

/// A picture that grows by shapes, in pixels, y downwards.
class svg {
 public:
  svg(double width, double height);
  void line(double x1, double y1, double x2, double y2, std::string_view colour, double width = 1);
  void rectangle(double x, double y, double width, double height, std::string_view colour);
  void circle(double x, double y, double radius, std::string_view colour);
  struct point {
    double x, y;
  };
  void polyline(std::vector<point> const& points, std::string_view colour, double width);
  void area(std::vector<point> const& outline, std::string_view colour, double opacity);
  void text(double x, double y, std::string_view what, text_style const& style = {});

  /// The whole document.
  std::string str() const;
  /// Throws user_error where the file cannot be written.
  void write(std::filesystem::path const& file) const;

 private:
  struct attribute;
  void open(std::string_view name, std::initializer_list<attribute> attributes);
  void shape(std::string_view name, std::initializer_list<attribute> attributes);
  std::string body_;
};
}  // namespace distill
