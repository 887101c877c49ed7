#pragma once
#include <stdexcept>
#include <string>
namespace mlot_cli {
/// The user can mend this: main prints it as one line and exits with 2. The text names the
/// argument, its value and what is allowed.
struct user_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
}  // namespace mlot_cli
