#include "mlot_cli/library_call.hpp"

#include <algorithm>

#include "mlot/interop/describe.hpp"

namespace mlot_cli {
std::string explain(mlot::status fault, call const& by) {
  std::string name = fault.argument;
  if (name.starts_with("ranked_teacher.")) {
    name = by.teacher.option + ": " + by.teacher.path + ", tensor " + name.substr(15);
    fault.argument = name.c_str();
    return mlot::describe(fault);
  }
  name.erase(0, name.find('.') + 1);
  if (name.starts_with("options.")) name.erase(0, name.find('.') + 1);
  std::replace(name.begin(), name.end(), '.', '_');  // divergence's teacher.logits
  if (name == "skew") name = "lambda";
  if (name == "logarithm_weight") name = "beta";
  if (name == "transport_weight") name = "gamma";
  if (name == "student_temperature" || (name == "teacher_temperature" && !by.s.teacher_temperature))
    name = "temperature";
  if (name == "teacher_logits" || name == "student_logits") {
    model_shape const& model = name == "teacher_logits" ? by.teacher : by.student;
    name = model.option + ": " + model.path;
    if (fault.row >= 0 && model.batched) {
      name += ", sequence " + std::to_string(fault.row / model.positions);
      fault.row %= model.positions;
    }
  } else {
    std::replace(name.begin(), name.end(), '_', '-');
    name.insert(0, "--");
  }
  fault.argument = name.c_str();
  return mlot::describe(fault);
}
}  // namespace mlot_cli
