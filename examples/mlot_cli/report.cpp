#include "mlot_cli/report.hpp"

#include <rapidjson/prettywriter.h>  // not document.h, which C++20 does not compile

#include <cmath>
#include <cstdio>

namespace mlot_cli {
namespace {
using writer = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

void write_number(writer& json, double x) {
  char text[32];
  if (std::isfinite(x))
    std::snprintf(text, sizeof text, "%.17g", x);
  else
    std::snprintf(text, sizeof text, "%s", std::isnan(x) ? "null" : x > 0 ? "1e999" : "-1e999");
  json.RawValue(text, std::char_traits<char>::length(text), rapidjson::kNumberType);
}

void write_columns(writer& json, column_lists const& columns, index_t sequences) {
  json.StartArray();
  for (index_t b = 0; b < sequences; ++b) {
    json.StartArray();
    for (index_t const id : columns.of(b)) json.Int64(id);
    json.EndArray();
  }
  json.EndArray();
}
}  // namespace

template <mlot::real T>
std::string report(evaluation<T> const& result, index_t sequences) {
  rapidjson::StringBuffer text;
  writer json(text);
  json.SetIndent(' ', 2);
  json.SetFormatOptions(rapidjson::kFormatSingleLineArray);
  json.StartObject();
  for (auto const& [name, value] : result.terms) {
    json.Key(name);
    write_number(json, double(value));
  }
  if (result.columns) {
    json.Key("teacher_columns");
    write_columns(json, result.columns->teacher, sequences);
    json.Key("student_columns");
    write_columns(json, result.columns->student, sequences);
  }
  json.EndObject();
  return std::string(text.GetString(), text.GetSize()) + "\n";
}
template std::string report(evaluation<float> const&, index_t);
template std::string report(evaluation<double> const&, index_t);
}  // namespace mlot_cli
