#include "distill/encoding.hpp"

#include <algorithm>

namespace distill {
std::vector<std::string> thinned(std::vector<std::string> const& all, index_t count) {
  std::size_t const kept = std::min(all.size(), std::size_t(count));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < kept; ++i) out.push_back(all[i * all.size() / kept]);
  return out;
}

std::vector<sample> encode(std::vector<std::string> const& text, tokenizer const& teacher,
                           tokenizer const& student) {
  std::vector<sample> out;
  for (std::string const& segment : text)
    out.push_back({teacher.encode(segment), student.encode(segment), index_t(segment.size())});
  return out;
}

double student_share(token which, std::vector<sample> const& text) {
  double count = 0, all = 0;
  for (sample const& s : text) {
    count += double(std::count(s.student.begin(), s.student.end(), which));
    all += double(s.student.size());
  }
  return all > 0 ? count / all : 0;
}
}  // namespace distill
