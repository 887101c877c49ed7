#pragma once
#include "mlot/core/instruction_set.hpp"
namespace mlot::MLOT_SET {
/// What may be called, wherever it lives: a pointer to it and one to its code. Who takes one is
/// compiled once, not once a lambda.
template <class Signature>
class function_ref;
template <class Result, class... Arguments>
class function_ref<Result(Arguments...)> {
 public:
  template <class Callable>
  function_ref(Callable const& of)
      : self_(&of), call_([](void const* self, Arguments... arguments) -> Result {
          return (*static_cast<Callable const*>(self))(arguments...);
        }) {}
  Result operator()(Arguments... arguments) const { return call_(self_, arguments...); }

 private:
  void const* self_;
  Result (*call_)(void const*, Arguments...);
};
}  // namespace mlot::MLOT_SET
