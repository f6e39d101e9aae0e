// Every ATen operator through one function: the overload is chosen by the schemas, the arguments are converted by
// the chosen schema, and the call goes through the boxed dispatcher.
#include "operators.h"

#include <c10/core/Scalar.h>

#include <algorithm>
#include <cmath>

namespace penumbra {
namespace {

enum class Js { Nothing, Bool, Number, BigInt, String, Tensor, Generator, Array, Complex, Object, Other };

struct Value {
  napi_value value = nullptr;
  Js kind = Js::Nothing;
  int32_t slot = 0;
  double number = 0;
};

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
        result.kind = real && imag ? Js::Complex : Js::Object;
      }
      break;
    }
    default: result.kind = Js::Other;
  }
  return result;
}

const at::Tensor& alive(napi_env env, const Value& value) {
  if (value.slot <= 0) throwDisposed(env, value.value);
  return environment(env).slots[value.slot].tensor;
}

bool whole(const Value& value) {
  return value.kind == Js::Number && std::abs(value.number) <= 9007199254740991.0 && value.number == std::floor(value.number);
}

bool elementMatches(const Value& value, Kind kind) {
  switch (kind) {
    case Kind::Tensor: return value.kind == Js::Tensor;
    case Kind::Int: return value.kind == Js::BigInt || whole(value);
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

bool toBool(napi_env env, const Value& value) {
  bool result = false;
  check(env, napi_get_value_bool(env, value.value, &result));
  return result;
}

at::Scalar toScalar(napi_env env, const Value& value) {
  if (value.kind == Js::Bool) return at::Scalar(toBool(env, value));
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
  bool negativeZero = value.number == 0 && std::signbit(value.number);
  if (whole(value) && !negativeZero) return at::Scalar(static_cast<int64_t>(value.number));
  return at::Scalar(value.number);
}

c10::IValue convertElement(napi_env env, const Value& value, Kind kind) {
  switch (kind) {
    case Kind::Tensor: return alive(env, value);
    case Kind::Int: return toInt(env, value);
    case Kind::Float: return value.number;
    case Kind::Bool: return toBool(env, value);
    case Kind::Scalar: return toScalar(env, value);
    case Kind::String: return text(env, value.value);
    case Kind::ScalarType: return scalarType(text(env, value.value));
    case Kind::Layout: return layout(text(env, value.value));
    case Kind::MemoryFormat: return memoryFormat(text(env, value.value));
    case Kind::Device: return device(text(env, value.value));
    case Kind::Generator: return generatorOf(env, value.value);
    case Kind::Unsupported: break;
  }
  throw TorchError("An argument's type has no JavaScript counterpart.");
}

template <typename T, typename Convert>
c10::IValue convertList(const std::vector<Value>& values, Convert convert) {
  c10::List<T> list;
  list.reserve(values.size());
  for (const Value& value : values) list.push_back(convert(value));
  return list;
}

c10::IValue convert(napi_env env, const Value& value, const Parameter& parameter) {
  if (value.kind == Js::Nothing) return {};
  if (!parameter.list) return convertElement(env, value, parameter.kind);
  std::vector<Value> values;
  if (value.kind == Js::Array) {
    for (napi_value element : elements(env, value.value)) values.push_back(classify(env, element));
  } else {
    values.assign(parameter.broadcast, value);  // int[2] accepts one number, as in Python
  }
  switch (parameter.kind) {
    case Kind::Tensor:
      if (parameter.elementOptional) {
        return convertList<std::optional<at::Tensor>>(values, [&](const Value& v) {
          return v.kind == Js::Nothing ? std::optional<at::Tensor>() : std::optional<at::Tensor>(alive(env, v));
        });
      }
      return convertList<at::Tensor>(values, [&](const Value& v) { return alive(env, v); });
    case Kind::Int: return convertList<int64_t>(values, [&](const Value& v) { return toInt(env, v); });
    case Kind::Float: return convertList<double>(values, [](const Value& v) { return v.number; });
    case Kind::Bool: return convertList<bool>(values, [&](const Value& v) { return toBool(env, v); });
    case Kind::Scalar: return convertList<at::Scalar>(values, [&](const Value& v) { return toScalar(env, v); });
    case Kind::String: return convertList<std::string>(values, [&](const Value& v) { return text(env, v.value); });
    default: throw TorchError("A list argument's type has no JavaScript counterpart.");
  }
}

// --- one call

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

// call(packet, positionalCount, ...positional, nameId, value, nameId, value, …)
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

std::string describe(napi_env env, const Value& value) {
  switch (value.kind) {
    case Js::Nothing: return "null";
    case Js::Bool: return toBool(env, value) ? "true" : "false";
    case Js::Number: return whole(value) ? std::to_string(static_cast<int64_t>(value.number)) : std::to_string(value.number);
    case Js::BigInt: return "bigint";
    case Js::String: return "\"" + text(env, value.value) + "\"";
    case Js::Generator: return "Generator";
    case Js::Complex: return "complex number";
    case Js::Object: return "object";
    case Js::Other: return "unsupported value";
    case Js::Tensor: {
      if (value.slot == 0) return "disposed tensor";
      const at::Tensor& tensor = environment(env).slots[value.slot].tensor;
      std::string result = scalarTypeName(tensor.scalar_type()) + "[";
      for (int64_t i = 0; i < tensor.dim(); i++) result += (i ? ", " : "") + std::to_string(tensor.size(i));
      return result + "]" + (tensor.device().is_cpu() ? "" : " on " + tensor.device().str());
    }
    case Js::Array: {
      std::string result = "[";
      std::vector<napi_value> values = elements(env, value.value);
      for (size_t i = 0; i < values.size() && i < 8; i++) {
        Value element = classify(env, values[i]);
        result += (i ? ", " : "") + (element.kind == Js::Array ? std::string("[…]") : describe(env, element));
      }
      return result + (values.size() > 8 ? ", …]" : "]");
    }
  }
  return "";
}

std::string describe(napi_env env, const Arguments& arguments) {
  std::string result;
  for (size_t i = 0; i < arguments.count; i++) {
    result += (i ? ", " : "") + (i < arguments.positional ? "" : nameOf(arguments.nameIds[i]) + ": ") + describe(env, arguments.values[i]);
  }
  return result;
}

// libtorch sets the new sizes before it asks for memory. Where that fails, the tensor would reach beyond what it has:
// it becomes a vector of all that its memory holds.
void mend(at::Tensor& tensor) {
  bool isPlain = tensor.defined() && tensor.layout() == at::kStrided && tensor.has_storage() && !tensor.is_meta() && !tensor.is_nested();
  if (!isPlain || tensor._is_zerotensor()) return;
  double needed = 1 + static_cast<double>(tensor.storage_offset());
  for (int64_t i = 0; i < tensor.dim(); i++) {
    if (tensor.size(i) == 0) return;
    needed += static_cast<double>(tensor.size(i) - 1) * static_cast<double>(tensor.stride(i));
  }
  size_t held = tensor.storage().nbytes() / tensor.element_size();
  if (needed <= static_cast<double>(held)) return;
  tensor.unsafeGetTensorImpl()->set_storage_offset(0);
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous({static_cast<int64_t>(held)});
}

void mend(napi_env env, const Value& value) {
  if (value.kind == Js::Tensor && value.slot > 0) mend(environment(env).slots[value.slot].tensor);
  if (value.kind != Js::Array) return;
  for (napi_value element : elements(env, value.value)) {
    Value item = classify(env, element);
    if (item.kind == Js::Tensor) mend(env, item);
  }
}

[[noreturn]] void throwNoOverload(napi_env env, const Packet& packet, const Arguments& arguments) {
  for (size_t i = 0; i < arguments.count; i++) if (arguments.values[i].kind == Js::Tensor) alive(env, arguments.values[i]);
  std::string schemas;
  for (const Overload& overload : packet.overloads) schemas += "\n  " + schemaText(overload);
  throw TorchError(packet.name + " has no overload for these arguments. Arguments without a default go by position, all others into one "
                                 "object at the end, with camelCase names. It accepts:" + schemas,
                   packet.name, schemas, describe(env, arguments));
}

// Where an operator finds no CUDA, libtorch lists all backends it has instead of the reason.
std::string explained(const std::string& message) {
  bool lacksCuda = message.find("from the 'CUDA' backend") != std::string::npos ||
                   message.find("not linked with support for cuda devices") != std::string::npos;
  if (!lacksCuda || cudaProblem().empty()) return message;
  return "there is no CUDA here (" + cudaProblem() + "). `npx @penumbra/torch doctor` says how to get it.";
}

// Runs the operator; what goes wrong inside becomes an error that names the operator and its arguments, which
// `afterError` describes.
template <typename Fill, typename AfterError>
void run(const Packet& packet, const Overload& overload, c10::Stack& stack, Fill fill, AfterError afterError) {
  auto fail = [&](const char* what) {
    return TorchError(packet.name + ": " + what, packet.name, schemaText(overload), afterError());
  };
  try {
    stack.reserve(std::max<size_t>(overload.parameters.size(), 4));
    fill();
    overload.op.callBoxed(stack);
  } catch (const JavaScriptError&) {
    throw;
  } catch (const TorchError& error) {
    throw fail(error.what());
  } catch (const c10::Error& error) {
    throw fail(explained(error.what_without_backtrace()).c_str());
  } catch (const std::exception& error) {
    throw fail(error.what());
  }
}

// The results as call() returns them. A new tensor of an operator that always gives one comes as the number of its slot:
// JavaScript makes the object faster than Node-API does.
napi_value results(const Call& call, const Packet& packet, const Overload& overload, c10::Stack& stack, const Arguments& arguments) {
  const auto& returns = overload.op.schema().returns();
  auto one = [&](size_t i) -> napi_value {
    const c10::IValue& value = stack[stack.size() - returns.size() + i];
    if (overload.writes && value.isTensor()) {  // in-place: give back the very object that came in
      auto* impl = value.toTensor().unsafeGetTensorImpl();
      for (size_t j = 0; j < arguments.count; j++) {
        const Value& v = arguments.values[j];
        if (v.kind == Js::Tensor && call.state->slots[v.slot].tensor.unsafeGetTensorImpl() == impl) return v.value;
      }
    }
    if (packet.givesOneTensor && value.isTensor() && value.toTensor().defined()) {
      return number(call.env, insert(*call.state, value.toTensor()));
    }
    return toJavaScript(call.env, value, returns[i].real_type().get());
  };
  if (returns.empty()) return nullptr;
  if (returns.size() == 1) return one(0);
  napi_value result;
  check(call.env, napi_create_array_with_length(call.env, returns.size(), &result));
  for (size_t i = 0; i < returns.size(); i++) check(call.env, napi_set_element(call.env, result, i, one(i)));
  return result;
}

int32_t integer(const Call& call, size_t i) {
  int32_t result = -1;
  check(call.env, napi_get_value_int32(call.env, call[i], &result));
  return result;
}

const Overload& choose(napi_env env, const Packet& packet, const Arguments& arguments) {
  for (bool broadcast : {false, true}) {
    for (const Overload& overload : packet.overloads) {
      if (fits(env, overload, arguments, broadcast)) return overload;
    }
  }
  throwNoOverload(env, packet, arguments);
}

void fillFrom(napi_env env, const Arguments& arguments, const Overload& overload, c10::Stack& stack) {
  size_t next = 0;
  for (const Parameter& parameter : overload.parameters) {
    const Value* value = parameter.byPosition() ? &arguments.values[next++] : arguments.named(parameter.nameId);
    stack.push_back(value != nullptr ? convert(env, *value, parameter) : parameter.defaultValue);
  }
}

napi_value callOperator(const Call& call) {
  int32_t index = integer(call, 0);
  const Packet& packet = packetAt(index);
  Arguments arguments;
  read(call, arguments);
  const Overload& chosen = choose(call.env, packet, arguments);
  c10::Stack stack;
  auto afterError = [&] {
    for (size_t i = 0; i < arguments.count; i++) mend(call.env, arguments.values[i]);
    return describe(call.env, arguments);
  };
  run(packet, chosen, stack, [&] { fillFrom(call.env, arguments, chosen, stack); }, afterError);
  call.state->maker = index;
  napi_value result = results(call, packet, chosen, stack, arguments);
  call.state->maker = -1;
  return result;
}

// roundTrip(…as call…) -> {schema, values}: what the operator would be given, converted back. It is not called.
napi_value roundTrip(const Call& call) {
  const Packet& packet = packetAt(integer(call, 0));
  Arguments arguments;
  read(call, arguments);
  const Overload& chosen = choose(call.env, packet, arguments);
  c10::Stack stack;
  fillFrom(call.env, arguments, chosen, stack);
  napi_value result, values;
  check(call.env, napi_create_object(call.env, &result));
  check(call.env, napi_create_array_with_length(call.env, stack.size(), &values));
  for (size_t i = 0; i < stack.size(); i++) {
    check(call.env, napi_set_element(call.env, values, i, toJavaScript(call.env, stack[i], chosen.parameters[i].type.get())));
  }
  check(call.env, napi_set_named_property(call.env, result, "schema", string(call.env, schemaText(chosen))));
  check(call.env, napi_set_named_property(call.env, result, "values", values));
  return result;
}

// The slot of the result: the one that came in where the operator works in place, else a new one.
napi_value resultSlot(const Call& call, const Overload& overload, c10::Stack& stack, const int32_t* slots, size_t count) {
  at::Tensor result = std::move(stack.back()).toTensor();
  for (size_t i = 0; overload.writes && i < count; i++) {
    if (call.state->slots[slots[i]].tensor.is_same(result)) return number(call.env, slots[i]);
  }
  return number(call.env, result.defined() ? insert(*call.state, std::move(result)) : 0);
}

// A tensor by its slot's number; the caller has looked that it is not 0.
const at::Tensor& tensorIn(const Call& call, int32_t slot) {
  if (slot <= 0 || static_cast<size_t>(slot) >= call.state->slots.size() || !call.state->slots[slot].tensor.defined()) {
    throw TorchError("A disposed tensor was used.");
  }
  return call.state->slots[slot].tensor;
}

std::string describeSlots(const Call& call, const int32_t* slots, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; i++) {
    Value value;
    value.kind = Js::Tensor;
    value.slot = slots[i] > 0 && static_cast<size_t>(slots[i]) < call.state->slots.size() ? slots[i] : 0;
    if (!call.state->slots[value.slot].tensor.defined()) value.slot = 0;
    mend(call.env, value);
    result += (i ? ", " : "") + describe(call.env, value);
  }
  return result;
}

// direct(packet, slot, slot?, slot?): the short way for operators of one to three tensors, see directForms().
napi_value direct(const Call& call) {
  const Packet& packet = packetAt(integer(call, 0));
  size_t count = call.count - 1;
  const Overload* overload = call.count >= 2 && count <= 3 ? packet.direct[count] : nullptr;
  if (overload == nullptr) throw TorchError("Malformed call.");
  int32_t slots[3];
  for (size_t i = 0; i < count; i++) slots[i] = integer(call, 1 + i);
  c10::Stack stack;
  auto fill = [&] {
    size_t next = 0;
    for (const Parameter& parameter : overload->parameters) {
      if (parameter.byPosition()) stack.emplace_back(tensorIn(call, slots[next++]));
      else stack.push_back(parameter.defaultValue);
    }
  };
  run(packet, *overload, stack, fill, [&] { return describeSlots(call, slots, count); });
  return resultSlot(call, *overload, stack, slots, count);
}

// directScalar(packet, slot, number): the same for a tensor and a number.
napi_value directScalar(const Call& call) {
  const Packet& packet = packetAt(integer(call, 0));
  const Overload* overload = packet.directScalar;
  if (overload == nullptr || call.count < 3) throw TorchError("Malformed call.");
  int32_t slot = integer(call, 1);
  Value value;
  value.kind = Js::Number;
  check(call.env, napi_get_value_double(call.env, call[2], &value.number));
  c10::Stack stack;
  auto fill = [&] {
    for (const Parameter& parameter : overload->parameters) {
      if (!parameter.byPosition()) stack.push_back(parameter.defaultValue);
      else if (parameter.kind == Kind::Tensor) stack.emplace_back(tensorIn(call, slot));
      else stack.emplace_back(toScalar(call.env, value));
    }
  };
  run(packet, *overload, stack, fill, [&] { return describeSlots(call, &slot, 1) + ", " + describe(call.env, value); });
  return resultSlot(call, *overload, stack, &slot, 1);
}

}  // namespace

void exportDispatch(napi_env env, napi_value exports) {
  define(env, exports, "call", guarded<callOperator>);
  define(env, exports, "roundTrip", guarded<roundTrip>);
  define(env, exports, "direct", guarded<direct, 4>);
  define(env, exports, "directScalar", guarded<directScalar, 3>);
}

}  // namespace penumbra
