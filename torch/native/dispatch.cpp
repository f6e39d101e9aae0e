// Every ATen operator through one function: the overload is chosen by the schemas, the arguments are converted by
// the chosen schema, and the call goes through the boxed dispatcher.
#include "addon.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/Scalar.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <unordered_map>

namespace penumbra {
namespace {

enum class Kind { Tensor, Int, Float, Bool, String, Scalar, ScalarType, Layout, MemoryFormat, Device, Generator, Unsupported };

struct Parameter {
  std::string name;  // camelCase
  Kind kind;
  bool list = false, optional = false, elementOptional = false, hasDefault = false, keywordOnly = false;
  bool broadcast = false;  // int[N]: one number stands for all N
  c10::IValue defaultValue;
  c10::TypePtr type;
};

struct Overload {
  c10::OperatorHandle op;
  std::vector<Parameter> parameters;
  size_t positional = 0;  // parameters without default that are not keyword-only
  bool returnsArgument = false;
};

struct Packet {
  std::string name;  // aten::add
  std::vector<Overload> overloads;
};

std::string camelCase(const std::string& name) {
  std::string result;
  for (size_t i = 0; i < name.size(); i++) {
    bool boundary = name[i] == '_' && i > 0 && i + 1 < name.size() && name[i - 1] != '_' && std::isalnum(name[i + 1]);
    if (!boundary) result += name[i];
    else result += static_cast<char>(std::toupper(name[++i]));
  }
  return result;
}

Kind kindOf(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType: return Kind::Tensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Kind::Int;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType: return Kind::Float;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType: return Kind::Bool;
    case c10::TypeKind::StringType: return Kind::String;
    case c10::TypeKind::NumberType: return Kind::Scalar;
    case c10::TypeKind::ScalarTypeType: return Kind::ScalarType;
    case c10::TypeKind::LayoutType: return Kind::Layout;
    case c10::TypeKind::MemoryFormatType: return Kind::MemoryFormat;
    case c10::TypeKind::DeviceObjType: return Kind::Device;
    case c10::TypeKind::GeneratorType: return Kind::Generator;
    default: return Kind::Unsupported;
  }
}

Parameter parameterOf(const c10::Argument& argument) {
  Parameter result;
  result.name = camelCase(argument.name());
  result.type = argument.real_type();
  result.keywordOnly = argument.kwarg_only();
  if (argument.default_value().has_value()) {
    result.hasDefault = true;
    result.defaultValue = *argument.default_value();
  }
  c10::TypePtr type = argument.real_type();
  if (auto optional = type->cast<c10::OptionalType>()) {
    result.optional = true;
    type = optional->getElementType();
  }
  if (auto list = type->cast<c10::ListType>()) {
    result.list = true;
    result.broadcast = argument.N().has_value();
    type = list->getElementType();
    if (auto element = type->cast<c10::OptionalType>()) {
      result.elementOptional = true;
      type = element->getElementType();
    }
  }
  result.kind = kindOf(*type);
  return result;
}

// The packets are one table for all threads; it grows and never shrinks, and entries do not move.
std::mutex packetsMutex;
std::vector<std::unique_ptr<Packet>>& packets() {
  static std::vector<std::unique_ptr<Packet>> table;
  return table;
}

const std::map<std::string, std::vector<std::string>>& overloadNames() {
  static const auto names = [] {
    std::map<std::string, std::vector<std::string>> result;
    for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
      if (c10::Dispatcher::singleton().findSchema(name)) result[name.name].push_back(name.overload_name);
    }
    return result;
  }();
  return names;
}

Overload overloadOf(const std::string& name, const std::string& overloadName) {
  Overload overload{c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), overloadName.c_str()), {}, 0, false};
  const c10::FunctionSchema& schema = overload.op.schema();
  for (const c10::Argument& argument : schema.arguments()) {
    overload.parameters.push_back(parameterOf(argument));
    const Parameter& parameter = overload.parameters.back();
    if (!parameter.hasDefault && !parameter.keywordOnly) overload.positional += 1;
  }
  for (const c10::Argument& result : schema.returns()) {
    overload.returnsArgument = overload.returnsArgument || (result.alias_info() != nullptr && result.alias_info()->isWrite());
  }
  return overload;
}

// Plain overloads come before those that write into an `out`, the unnamed one first, so that the first match is the usual one.
int32_t packetOf(const std::string& name) {
  std::lock_guard<std::mutex> lock(packetsMutex);
  static std::unordered_map<std::string, int32_t> indices;
  auto found = indices.find(name);
  if (found != indices.end()) return found->second;
  auto packet = std::make_unique<Packet>();
  size_t dot = name.find('.');
  packet->name = name.substr(0, dot);
  auto known = overloadNames().find(packet->name);
  if (known == overloadNames().end()) {
    throw TorchError("This libtorch has no operator " + packet->name + ". torch.schemas() lists all that it has.", packet->name);
  }
  if (dot != std::string::npos) {
    packet->overloads.push_back(overloadOf(packet->name, name.substr(dot + 1)));
  } else {
    std::vector<std::string> names = known->second;
    auto rank = [](const std::string& overload) { return overload.empty() ? 0 : overload.find("out") != std::string::npos ? 2 : 1; };
    std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
      return rank(a) != rank(b) ? rank(a) < rank(b) : a < b;
    });
    for (const std::string& overload : names) packet->overloads.push_back(overloadOf(packet->name, overload));
    // Where a number fits several overloads, whole numbers and tensors come before general scalars.
    std::stable_sort(packet->overloads.begin(), packet->overloads.end(), [](const Overload& a, const Overload& b) {
      auto outs = [](const Overload& o) { return o.op.operator_name().overload_name.find("out") != std::string::npos; };
      return outs(a) < outs(b);
    });
  }
  packets().push_back(std::move(packet));
  return indices[name] = static_cast<int32_t>(packets().size() - 1);
}

// --- JavaScript values

enum class Js { Nothing, Bool, Number, BigInt, String, Tensor, Generator, Array, Object, Other };

struct Value {
  napi_value value = nullptr;
  Js kind = Js::Nothing;
  double number = 0;
  Handle* handle = nullptr;
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
      result.handle = handleOf(env, value);
      if (result.handle != nullptr) {
        result.kind = result.handle->magic == Magic::Tensor ? Js::Tensor : Js::Generator;
        break;
      }
      bool isArray = false;
      check(env, napi_is_array(env, value, &isArray));
      result.kind = isArray ? Js::Array : Js::Object;
      break;
    }
    default: result.kind = Js::Other;
  }
  return result;
}

bool whole(const Value& value) {
  return value.kind == Js::Number && std::abs(value.number) <= 9007199254740991.0 && value.number == std::floor(value.number);
}

bool isComplex(napi_env env, napi_value value) {
  bool real = false, imag = false;
  napi_has_named_property(env, value, "real", &real);
  napi_has_named_property(env, value, "imag", &imag);
  return real && imag;
}

bool elementMatches(napi_env env, const Value& value, Kind kind) {
  switch (kind) {
    case Kind::Tensor: return value.kind == Js::Tensor;
    case Kind::Int: return value.kind == Js::BigInt || whole(value);
    case Kind::Float: return value.kind == Js::Number;
    case Kind::Bool: return value.kind == Js::Bool;
    case Kind::Scalar:
      return value.kind == Js::Number || value.kind == Js::BigInt || value.kind == Js::Bool ||
             (value.kind == Js::Object && isComplex(env, value.value));
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
  if (!parameter.list) return elementMatches(env, value, parameter.kind);
  if (value.kind != Js::Array) return broadcast && parameter.broadcast && elementMatches(env, value, parameter.kind);
  uint32_t length = 0;
  check(env, napi_get_array_length(env, value.value, &length));
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(env, napi_get_element(env, value.value, i, &element));
    Value item = classify(env, element);
    if (item.kind == Js::Nothing ? !parameter.elementOptional : !elementMatches(env, item, parameter.kind)) return false;
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
  if (value.kind == Js::Object) {
    double parts[2];
    const char* names[2] = {"real", "imag"};
    for (int i = 0; i < 2; i++) {
      napi_value part;
      check(env, napi_get_named_property(env, value.value, names[i], &part));
      check(env, napi_get_value_double(env, part, &parts[i]));
    }
    return at::Scalar(c10::complex<double>(parts[0], parts[1]));
  }
  bool negativeZero = value.number == 0 && std::signbit(value.number);
  if (whole(value) && !negativeZero) return at::Scalar(static_cast<int64_t>(value.number));
  return at::Scalar(value.number);
}

at::Layout toLayout(const std::string& name) {
  if (name == "strided") return at::kStrided;
  if (name == "sparse" || name == "sparse_coo") return at::kSparse;
  if (name == "sparse_csr") return at::kSparseCsr;
  throw TorchError("Unknown layout \"" + name + "\". Known are: strided, sparse_coo, sparse_csr.");
}

at::MemoryFormat toMemoryFormat(const std::string& name) {
  if (name == "contiguous") return at::MemoryFormat::Contiguous;
  if (name == "preserve") return at::MemoryFormat::Preserve;
  if (name == "channelsLast") return at::MemoryFormat::ChannelsLast;
  if (name == "channelsLast3d") return at::MemoryFormat::ChannelsLast3d;
  throw TorchError("Unknown memory format \"" + name + "\". Known are: contiguous, preserve, channelsLast, channelsLast3d.");
}

c10::IValue convertElement(napi_env env, const Value& value, Kind kind) {
  switch (kind) {
    case Kind::Tensor: return alive(value.handle);
    case Kind::Int: return toInt(env, value);
    case Kind::Float: return value.number;
    case Kind::Bool: return toBool(env, value);
    case Kind::Scalar: return toScalar(env, value);
    case Kind::String: return text(env, value.value);
    case Kind::ScalarType: return scalarType(text(env, value.value));
    case Kind::Layout: return toLayout(text(env, value.value));
    case Kind::MemoryFormat: return toMemoryFormat(text(env, value.value));
    case Kind::Device: return device(text(env, value.value));
    case Kind::Generator: return value.handle->generator;
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
    values.push_back(value);  // int[N] accepts one number, as in Python
  }
  switch (parameter.kind) {
    case Kind::Tensor:
      if (parameter.elementOptional) {
        return convertList<std::optional<at::Tensor>>(values, [](const Value& v) {
          return v.kind == Js::Nothing ? std::optional<at::Tensor>() : std::optional<at::Tensor>(alive(v.handle));
        });
      }
      return convertList<at::Tensor>(values, [](const Value& v) { return alive(v.handle); });
    case Kind::Int: {
      c10::List<int64_t> list;
      for (const Value& v : values) list.push_back(toInt(env, v));
      if (value.kind != Js::Array) {  // one number for all N
        auto n = parameter.defaultValue.isIntList() ? parameter.defaultValue.toIntList().size() : 0;
        while (list.size() < n) list.push_back(list.get(0));
      }
      return list;
    }
    case Kind::Float: return convertList<double>(values, [](const Value& v) { return v.number; });
    case Kind::Bool: return convertList<bool>(values, [&](const Value& v) { return toBool(env, v); });
    case Kind::Scalar: return convertList<at::Scalar>(values, [&](const Value& v) { return toScalar(env, v); });
    case Kind::String: return convertList<std::string>(values, [&](const Value& v) { return text(env, v.value); });
    default: throw TorchError("A list argument's type has no JavaScript counterpart.");
  }
}

// --- one call

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

Arguments argumentsOf(const Call& call, size_t first) {
  Arguments result;
  size_t count = call.count;
  result.positional.reserve(count);
  for (size_t i = first; i < count; i++) result.positional.push_back(classify(call.env, call[i]));
  // An absent options object arrives as undefined; a present one is the last argument.
  while (!result.positional.empty()) {
    napi_valuetype type;
    check(call.env, napi_typeof(call.env, result.positional.back().value, &type));
    if (type != napi_undefined) break;
    result.positional.pop_back();
  }
  if (!result.positional.empty() && result.positional.back().kind == Js::Object &&
      !isComplex(call.env, result.positional.back().value)) {
    napi_value names, object = result.positional.back().value;
    result.positional.pop_back();
    check(call.env, napi_get_property_names(call.env, object, &names));
    for (napi_value name : elements(call.env, names)) {
      napi_value value;
      check(call.env, napi_get_property(call.env, object, name, &value));
      napi_valuetype type;
      check(call.env, napi_typeof(call.env, value, &type));
      if (type != napi_undefined) result.named.emplace_back(text(call.env, name), classify(call.env, value));
    }
  }
  return result;
}

bool fits(napi_env env, const Overload& overload, const Arguments& arguments, bool broadcast) {
  if (arguments.positional.size() != overload.positional) return false;
  size_t used = 0, next = 0;
  for (const Parameter& parameter : overload.parameters) {
    if (!parameter.hasDefault && !parameter.keywordOnly) {
      if (!matches(env, arguments.positional[next++], parameter, broadcast)) return false;
      continue;
    }
    auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                              [&](const auto& entry) { return entry.first == parameter.name; });
    if (named != arguments.named.end()) {
      if (!matches(env, named->second, parameter, broadcast)) return false;
      used += 1;
    } else if (!parameter.hasDefault && !parameter.optional) {
      return false;
    }
  }
  return used == arguments.named.size();
}

std::string describe(napi_env env, const Value& value) {
  switch (value.kind) {
    case Js::Nothing: return "null";
    case Js::Bool: return toBool(env, value) ? "true" : "false";
    case Js::Number: {
      std::string digits = whole(value) ? std::to_string(static_cast<int64_t>(value.number)) : std::to_string(value.number);
      return digits;
    }
    case Js::BigInt: return "bigint";
    case Js::String: return "\"" + text(env, value.value) + "\"";
    case Js::Generator: return "Generator";
    case Js::Object: return "object";
    case Js::Other: return "unsupported value";
    case Js::Tensor: {
      const at::Tensor& tensor = value.handle->tensor;
      if (!tensor.defined()) return "disposed tensor";
      std::string result = scalarTypeName(tensor.scalar_type()) + "[";
      for (int64_t i = 0; i < tensor.dim(); i++) result += (i ? ", " : "") + std::to_string(tensor.size(i));
      return result + "]" + (tensor.device().is_cpu() ? "" : " on " + tensor.device().str());
    }
    case Js::Array: {
      std::string result = "[";
      std::vector<napi_value> values = elements(env, value.value);
      for (size_t i = 0; i < values.size() && i < 8; i++) result += (i ? ", " : "") + describe(env, classify(env, values[i]));
      return result + (values.size() > 8 ? ", …]" : "]");
    }
  }
  return "";
}

std::string describe(napi_env env, const Arguments& arguments) {
  std::string result;
  for (const Value& value : arguments.positional) result += (result.empty() ? "" : ", ") + describe(env, value);
  for (const auto& [name, value] : arguments.named) {
    result += (result.empty() ? "" : ", ") + name + ": " + describe(env, value);
  }
  return result;
}

std::string schemaText(const Overload& overload) { return c10::toString(overload.op.schema()); }

[[noreturn]] void throwNoOverload(napi_env env, const Packet& packet, const Arguments& arguments) {
  for (const Value& value : arguments.positional) {
    if (value.handle != nullptr && value.handle->magic == Magic::Tensor) alive(value.handle);
  }
  std::string schemas;
  for (const Overload& overload : packet.overloads) schemas += "\n  " + schemaText(overload);
  throw TorchError(packet.name + " has no overload for these arguments. Arguments without a default go by position, all others into one "
                                 "object at the end, with camelCase names. It accepts:" + schemas,
                   packet.name, schemas, describe(env, arguments));
}

napi_value results(const Call& call, const Overload& overload, c10::Stack& stack, const Arguments& arguments) {
  const auto& returns = overload.op.schema().returns();
  auto one = [&](size_t i) -> napi_value {
    const c10::IValue& value = stack[stack.size() - returns.size() + i];
    if (overload.returnsArgument && value.isTensor()) {  // in-place: give back the very object that came in
      auto* impl = value.toTensor().unsafeGetTensorImpl();
      auto same = [&](const Value& v) { return v.kind == Js::Tensor && v.handle->tensor.unsafeGetTensorImpl() == impl; };
      for (const Value& v : arguments.positional) if (same(v)) return v.value;
      for (const auto& [name, v] : arguments.named) if (same(v)) return v.value;
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

// call(packet, ...arguments): positional arguments, then at most one object of named ones.
napi_value callOperator(const Call& call) {
  int32_t index = -1;
  check(call.env, napi_get_value_int32(call.env, call[0], &index));
  if (index < 0) throw TorchError("An operator's index is a whole number from 0 on.");
  const Packet* packet;
  {
    std::lock_guard<std::mutex> lock(packetsMutex);
    if (static_cast<size_t>(index) >= packets().size()) throw TorchError("There is no operator of this index.");
    packet = packets()[index].get();
  }
  Arguments arguments = argumentsOf(call, 1);
  const Overload* chosen = nullptr;
  for (bool broadcast : {false, true}) {
    for (const Overload& overload : packet->overloads) {
      if (fits(call.env, overload, arguments, broadcast)) {
        chosen = &overload;
        break;
      }
    }
    if (chosen != nullptr) break;
  }
  if (chosen == nullptr) throwNoOverload(call.env, *packet, arguments);
  auto fail = [&](const char* what) -> TorchError {
    return TorchError(packet->name + ": " + what, packet->name, schemaText(*chosen), describe(call.env, arguments));
  };
  c10::Stack stack;
  stack.reserve(std::max<size_t>(chosen->parameters.size(), 4));
  try {
    size_t next = 0;
    for (const Parameter& parameter : chosen->parameters) {
      if (!parameter.hasDefault && !parameter.keywordOnly) {
        stack.push_back(convert(call.env, arguments.positional[next++], parameter));
        continue;
      }
      auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                [&](const auto& entry) { return entry.first == parameter.name; });
      stack.push_back(named != arguments.named.end() ? convert(call.env, named->second, parameter) : parameter.defaultValue);
    }
    chosen->op.callBoxed(stack);
  } catch (const JavaScriptError&) {
    throw;
  } catch (const TorchError& error) {
    throw fail(error.what());
  } catch (const c10::Error& error) {
    throw fail(error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw fail(error.what());
  }
  Environment& state = environment(call.env);
  state.creator = index;
  napi_value result = results(call, *chosen, stack, arguments);
  state.creator = -1;
  return result;
}

napi_value packet(const Call& call) { return number(call.env, packetOf(text(call.env, call[0]))); }

napi_value parameterObject(napi_env env, const Parameter& parameter) {
  napi_value result;
  check(env, napi_create_object(env, &result));
  auto set = [&](const char* key, napi_value value) { check(env, napi_set_named_property(env, result, key, value)); };
  set("name", string(env, parameter.name));
  set("type", string(env, parameter.type->str()));
  set("list", boolean(env, parameter.list));
  set("broadcast", boolean(env, parameter.broadcast));
  set("supported", boolean(env, parameter.kind != Kind::Unsupported));
  set("keywordOnly", boolean(env, parameter.keywordOnly));
  set("optional", boolean(env, parameter.optional));
  if (parameter.hasDefault) {
    std::ostringstream stream;
    stream << parameter.defaultValue;
    set("default", string(env, stream.str()));
  }
  return result;
}

// schemas(): every operator of the dispatcher: {name, overload, schema, parameters, returns}.
napi_value schemas(const Call& call) {
  napi_env env = call.env;
  napi_value list;
  check(env, napi_create_array(env, &list));
  uint32_t count = 0;
  for (const auto& [name, overloads] : overloadNames()) {
    for (const std::string& overloadName : overloads) {
      Overload overload = overloadOf(name, overloadName);
      napi_value entry, parameters, returns;
      check(env, napi_create_object(env, &entry));
      check(env, napi_create_array(env, &parameters));
      check(env, napi_create_array(env, &returns));
      for (size_t i = 0; i < overload.parameters.size(); i++) {
        check(env, napi_set_element(env, parameters, i, parameterObject(env, overload.parameters[i])));
      }
      const auto& types = overload.op.schema().returns();
      for (size_t i = 0; i < types.size(); i++) {
        check(env, napi_set_element(env, returns, i, string(env, types[i].real_type()->str())));
      }
      check(env, napi_set_named_property(env, entry, "name", string(env, name)));
      check(env, napi_set_named_property(env, entry, "overload", string(env, overloadName)));
      check(env, napi_set_named_property(env, entry, "schema", string(env, schemaText(overload))));
      check(env, napi_set_named_property(env, entry, "parameters", parameters));
      check(env, napi_set_named_property(env, entry, "returns", returns));
      check(env, napi_set_element(env, list, count++, entry));
    }
  }
  return list;
}

}  // namespace

std::string packetName(int32_t index) {
  std::lock_guard<std::mutex> lock(packetsMutex);
  return packets()[index]->name;
}

void exportDispatch(napi_env env, napi_value exports) {
  define(env, exports, "packet", guarded<packet>);
  define(env, exports, "call", guarded<callOperator>);
  define(env, exports, "schemas", guarded<schemas>);
}

}  // namespace penumbra
