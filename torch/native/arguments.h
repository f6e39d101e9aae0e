// The arguments of a call as they come from JavaScript, and as an operator's schema takes them.
#pragma once

#include "operators.h"

namespace penumbra {

enum class Js { Nothing, Bool, Number, BigInt, String, Tensor, Generator, Array, Complex, Other };

struct Value {
  napi_value value = nullptr;
  Js kind = Js::Nothing;
  int32_t slot = 0;
  double number = 0;
};
Value classify(napi_env env, napi_value value);

// Positional arguments first, then the named ones with the ids of their names.
struct Arguments {
  Value values[Call::most];
  int32_t nameIds[Call::most];
  size_t positional = 0, count = 0;
  const Value* named(int32_t nameId) const {
    for (size_t i = positional; i < count; i++) if (nameIds[i] == nameId) return &values[i];
    return nullptr;
  }
};
void read(const Call& call, Arguments& arguments);  // call(packet, positionalCount, ...positional, nameId, value, nameId, value, …)

const Overload* overloadFor(napi_env env, const Packet& packet, const Arguments& arguments);  // nullptr where none fits
void fillFrom(napi_env env, const Arguments& arguments, const Overload& overload, c10::Stack& stack);
at::Scalar toScalar(double number);

}  // namespace penumbra
