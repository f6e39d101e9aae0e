// Values of JavaScript on their way into an operator: what they are, which overload takes them, and their conversion by
// its schema.
#include "arguments.h"

#include <ATen/core/Reduction.h>
#include <c10/core/Scalar.h>

#include <cmath>

namespace penumbra {

Value classify(napi_env env, napi_value value) {
  Value result;
  result.value = value;
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  switch (type) {
    case napi_undefined:
    case napi_null: result.kind = Js::Nothing; break;
    case napi_boolean: result.kind = Js::Bool; break;
    case napi_number:
      result.kind = Js::Number;
      check(env, napi_get_value_double(env, value, &result.number));
      break;
    case napi_bigint: result.kind = Js::BigInt; break;
    case napi_string: result.kind = Js::String; break;
    case napi_object: {
      bool isArray = false;
      check(env, napi_is_array(env, value, &isArray));
      if (isArray) {
        result.kind = Js::Array;
      } else if ((result.slot = slotOf(env, value)) != NOT_A_TENSOR) {
        result.kind = Js::Tensor;
      } else if (generatorIn(env, value) != nullptr) {
        result.kind = Js::Generator;
      } else {
        bool real = false, imag = false;
        check(env, napi_has_named_property(env, value, "real", &real));
        check(env, napi_has_named_property(env, value, "imag", &imag));
        result.kind = real && imag ? Js::Complex : Js::Other;
      }
      break;
    }
    default: result.kind = Js::Other;
  }
  return result;
}

namespace {

const at::Tensor& alive(napi_env env, const Value& value) {
  if (value.slot <= 0) throwDisposed(env, value.value);
  return environment(env).slots[value.slot].tensor;
}

bool isWhole(double number) { return std::abs(number) <= 9007199254740991.0 && number == std::floor(number); }

bool elementMatches(const Value& value, Kind kind) {
  switch (kind) {
    case Kind::Tensor: return value.kind == Js::Tensor;
    case Kind::Int: return value.kind == Js::BigInt || (value.kind == Js::Number && isWhole(value.number));
    case Kind::Float: return value.kind == Js::Number;
    case Kind::Bool: return value.kind == Js::Bool;
    case Kind::Scalar:
      return value.kind == Js::Number || value.kind == Js::BigInt || value.kind == Js::Bool || value.kind == Js::Complex;
    case Kind::String:
    case Kind::ScalarType:
    case Kind::Layout:
    case Kind::MemoryFormat:
    case Kind::Device: return value.kind == Js::String;
    case Kind::Generator: return value.kind == Js::Generator;
    case Kind::Reduction: return value.kind == Js::String || elementMatches(value, Kind::Int);
    case Kind::Unsupported: return false;
  }
  return false;
}

bool matches(napi_env env, const Value& value, const Parameter& parameter, bool broadcast) {
  if (value.kind == Js::Nothing) return parameter.optional;
  if (!parameter.list) return elementMatches(value, parameter.kind);
  if (value.kind != Js::Array) return broadcast && parameter.broadcast > 0 && elementMatches(value, parameter.kind);
  uint32_t length = lengthOf(env, value.value);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value.value, i, &element));
    Value item = classify(env, element);
    if (item.kind == Js::Nothing ? !parameter.elementOptional : !elementMatches(item, parameter.kind)) return false;
  }
  return true;
}

int64_t toInt(napi_env env, const Value& value) {
  if (value.kind == Js::Number) return static_cast<int64_t>(value.number);
  int64_t result = 0;
  bool lossless = false;
  check(env, napi_get_value_bigint_int64(env, value.value, &result, &lossless));
  if (!lossless) throw TorchError("A bigint does not fit into 64 bits.");
  return result;
}

at::Scalar scalarOf(napi_env env, const Value& value) {
  if (value.kind == Js::Bool) return at::Scalar(toBool(env, value.value));
  if (value.kind == Js::BigInt) return at::Scalar(toInt(env, value));
  if (value.kind == Js::Complex) {
    double parts[2];
    const char* names[2] = {"real", "imag"};
    for (int i = 0; i < 2; i++) {
      napi_value part;
      check(env, napi_get_named_property(env, value.value, names[i], &part));
      if (napi_get_value_double(env, part, &parts[i]) != napi_ok) throw TorchError("A complex number is {real: number, imag: number}.");
    }
    return at::Scalar(c10::complex<double>(parts[0], parts[1]));
  }
  return toScalar(value.number);
}

int64_t reduction(const std::string& name) {
  if (name == "none") return at::Reduction::None;
  if (name == "mean") return at::Reduction::Mean;
  if (name == "sum") return at::Reduction::Sum;
  throw TorchError("There is no reduction \"" + name + "\". Choose \"none\", \"mean\" or \"sum\".");
}

c10::IValue convertElement(napi_env env, const Value& value, Kind kind) {
  switch (kind) {
    case Kind::Tensor: return alive(env, value);
    case Kind::Int: return toInt(env, value);
    case Kind::Float: return value.number;
    case Kind::Bool: return toBool(env, value.value);
    case Kind::Scalar: return scalarOf(env, value);
    case Kind::String: return text(env, value.value);
    case Kind::ScalarType: return scalarType(text(env, value.value));
    case Kind::Layout: return layout(text(env, value.value));
    case Kind::MemoryFormat: return memoryFormat(text(env, value.value));
    case Kind::Device: return device(text(env, value.value));
    case Kind::Generator: return generatorOf(env, value.value);
    case Kind::Reduction: return value.kind == Js::String ? reduction(text(env, value.value)) : toInt(env, value);
    case Kind::Unsupported: break;
  }
  throw TorchError("An argument's type has no JavaScript counterpart.");
}

c10::IValue convert(napi_env env, const Value& value, const Parameter& parameter) {
  if (value.kind == Js::Nothing) return {};
  if (!parameter.list) return convertElement(env, value, parameter.kind);
  c10::impl::GenericList list(parameter.elementType);
  if (value.kind != Js::Array) {  // int[2] accepts one number, as in Python
    for (int32_t i = 0; i < parameter.broadcast; i++) list.push_back(convertElement(env, value, parameter.kind));
    return list;
  }
  std::vector<napi_value> values = elements(env, value.value);
  list.reserve(values.size());
  for (napi_value element : values) {
    Value item = classify(env, element);
    list.push_back(item.kind == Js::Nothing && parameter.elementOptional ? c10::IValue() : convertElement(env, item, parameter.kind));
  }
  return list;
}

bool fits(napi_env env, const Overload& overload, const Arguments& arguments, bool broadcast) {
  if (arguments.positional != overload.positional) return false;
  size_t used = 0, next = 0;
  for (const Parameter& parameter : overload.parameters) {
    if (parameter.byPosition()) {
      if (!matches(env, arguments.values[next++], parameter, broadcast)) return false;
    } else if (const Value* named = arguments.named(parameter.nameId)) {
      if (!matches(env, *named, parameter, broadcast)) return false;
      used += 1;
    } else if (!parameter.hasDefault && !parameter.optional) {
      return false;
    }
  }
  return used == arguments.count - arguments.positional;
}

}  // namespace

at::Scalar toScalar(double number) {
  bool negativeZero = number == 0 && std::signbit(number);
  if (isWhole(number) && !negativeZero) return at::Scalar(static_cast<int64_t>(number));
  return at::Scalar(number);
}

void read(const Call& call, Arguments& arguments) {
  uint32_t positional = 0;
  check(call.env, napi_get_value_uint32(call.env, call[1], &positional));
  if (call.count < 2 || positional > call.count - 2 || (call.count - positional) % 2 != 0) throw TorchError("Malformed call.");
  arguments.positional = arguments.count = positional;
  for (size_t i = 0; i < positional; i++) arguments.values[i] = classify(call.env, call[2 + i]);
  for (size_t i = 2 + positional; i < call.count; i += 2) {
    check(call.env, napi_get_value_int32(call.env, call[i], &arguments.nameIds[arguments.count]));
    arguments.values[arguments.count++] = classify(call.env, call[i + 1]);
  }
}

const Overload* overloadFor(napi_env env, const Packet& packet, const Arguments& arguments) {
  for (bool broadcast : {false, true}) {
    for (const Overload& overload : packet.overloads) {
      if (fits(env, overload, arguments, broadcast)) return &overload;
    }
  }
  return nullptr;
}

void fillFrom(napi_env env, const Arguments& arguments, const Overload& overload, c10::Stack& stack) {
  size_t next = 0;
  for (const Parameter& parameter : overload.parameters) {
    const Value* value = parameter.byPosition() ? &arguments.values[next++] : arguments.named(parameter.nameId);
    stack.push_back(value != nullptr ? convert(env, *value, parameter) : parameter.defaultValue);
  }
}

}  // namespace penumbra
