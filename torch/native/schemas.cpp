// The table of operators: schemas read from the dispatcher, once for each operator that is used.
#include "arguments.h"

#include <torch/version.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <sstream>
#include <unordered_map>

namespace penumbra {
namespace {

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

// int[] and SymInt[], bool[] and the like; also of an optional list.
c10::TypePtr elementTypeOf(c10::TypePtr type) {
  if (auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  return type->expectRef<c10::ListType>().getElementType();
}

Parameter parameterOf(const c10::Argument& argument) {
  Parameter result;
  result.name = camelCase(argument.name());
  result.nameId = nameId(result.name);
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
    result.broadcast = argument.N().value_or(0);
    type = list->getElementType();
    result.elementType = elementTypeOf(argument.type());
    if (auto element = type->cast<c10::OptionalType>()) {
      result.elementOptional = true;
      type = element->getElementType();
    }
  }
  result.kind = kindOf(*type);
  if (result.kind == Kind::Int && result.name == "reduction") result.kind = Kind::Reduction;  // "none", "mean", "sum"
  return result;
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
  Overload overload{c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), overloadName.c_str()), {}};
  const c10::FunctionSchema& schema = overload.op.schema();
  for (const c10::Argument& argument : schema.arguments()) {
    overload.parameters.push_back(parameterOf(argument));
    if (overload.parameters.back().byPosition()) overload.positional += 1;
  }
  for (const c10::Argument& result : schema.returns()) {
    overload.writes = overload.writes || (result.alias_info() != nullptr && result.alias_info()->isWrite());
  }
  for (const c10::Argument& argument : schema.arguments()) {
    bool isWritten = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
    overload.writesOut = overload.writesOut || (isWritten && argument.kwarg_only());
  }
  overload.guard = guardOf(name);
  return overload;
}

bool returnsOneTensor(const Overload& overload) {
  const auto& returns = overload.op.schema().returns();
  return returns.size() == 1 && returns[0].real_type()->kind() == c10::TypeKind::TensorType;
}

// The overload that is chosen for these arguments, where none of them needs converting and the result is one tensor.
const Overload* directFor(const Packet& packet, std::initializer_list<Js> kinds) {
  Arguments arguments;
  for (Js kind : kinds) arguments.values[arguments.count++].kind = kind;
  arguments.positional = arguments.count;
  const Overload* chosen = overloadFor(nullptr, packet, arguments);  // for these kinds nothing is asked of JavaScript
  if (chosen == nullptr || !returnsOneTensor(*chosen)) return nullptr;
  for (const Parameter& p : chosen->parameters) {
    if (p.byPosition() && (p.list || (p.kind != Kind::Tensor && p.kind != Kind::Scalar))) return nullptr;
  }
  return chosen;
}

// Plain overloads come before those that write into an `out`, the unnamed one first, so that the first match is the usual one.
std::unique_ptr<Packet> makePacket(const std::string& name) {
  auto packet = std::make_unique<Packet>();
  size_t dot = name.find('.');
  packet->name = name.substr(0, dot);
  auto known = overloadNames().find(packet->name);
  if (known == overloadNames().end()) {
    throw TorchError("libtorch " TORCH_VERSION " has no operator " + packet->name + ": is its name misspelt, or does another version have it? torch.schemas() lists all.", packet->name);
  }
  std::vector<std::string> names = known->second;
  if (dot != std::string::npos) {
    std::string wanted = name.substr(dot + 1);
    if (std::find(names.begin(), names.end(), wanted) == names.end()) {
      throw TorchError("In libtorch " TORCH_VERSION " the operator " + packet->name + " has no overload \"" + wanted + "\". torch.schemas() lists all.", packet->name);
    }
    names = {wanted};
  }
  auto rank = [](const std::string& overload) { return overload.empty() ? 0 : overload.find("out") != std::string::npos ? 2 : 1; };
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return rank(a) != rank(b) ? rank(a) < rank(b) : a < b;
  });
  for (const std::string& overload : names) packet->overloads.push_back(overloadOf(packet->name, overload));
  packet->direct[1] = directFor(*packet, {Js::Tensor});
  packet->direct[2] = directFor(*packet, {Js::Tensor, Js::Tensor});
  packet->direct[3] = directFor(*packet, {Js::Tensor, Js::Tensor, Js::Tensor});
  packet->directScalar = directFor(*packet, {Js::Tensor, Js::Number});
  for (const Overload& overload : packet->overloads) packet->givesOneTensor = packet->givesOneTensor && returnsOneTensor(overload);
  return packet;
}

// One table for all threads. It is read without a lock: entries are set once and stay.
constexpr size_t mostPackets = 16384;
std::array<std::atomic<const Packet*>, mostPackets> packets;

int32_t packetOf(const std::string& name) {
  static std::mutex mutex;
  static std::unordered_map<std::string, int32_t> indices;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = indices.find(name);
  if (found != indices.end()) return found->second;
  auto index = static_cast<int32_t>(indices.size());
  if (indices.size() == mostPackets) throw TorchError("Too many operators: the table has room for 16,384.");
  packets[index].store(makePacket(name).release(), std::memory_order_release);
  return indices[name] = index;
}

}  // namespace

int32_t nameId(const std::string& camelCase) {
  static std::mutex mutex;
  static std::unordered_map<std::string, int32_t> ids;
  std::lock_guard<std::mutex> lock(mutex);
  return ids.emplace(camelCase, static_cast<int32_t>(ids.size())).first->second;
}

const Packet& packetAt(int32_t index) {
  const Packet* packet = index >= 0 && static_cast<size_t>(index) < mostPackets ? packets[index].load(std::memory_order_acquire) : nullptr;
  if (packet == nullptr) throw TorchError("There is no operator of this index.");
  return *packet;
}

std::string packetName(int32_t index) { return packetAt(index).name; }

std::string schemaText(const Overload& overload) { return c10::toString(overload.op.schema()); }

namespace {

// packet(name) -> its index, for call() and direct().
napi_value packet(const Call& call) { return number(call.env, packetOf(text(call.env, call[0]))); }
napi_value packetNameAt(const Call& call) { return string(call.env, packetName(toInteger(call.env, call[0]))); }
napi_value nameIdOf(const Call& call) { return number(call.env, nameId(text(call.env, call[0]))); }

// What an operator offers beside call(): the same names and bits as in call.ts.
enum Form {
  ONE_TENSOR = 1 << 0,         // direct() takes a tensor,
  TWO_TENSORS = 1 << 1,        // two of them,
  THREE_TENSORS = 1 << 2,      // or three
  TENSOR_AND_NUMBER = 1 << 3,  // directScalar() takes a tensor and a number
  GIVES_ONE_TENSOR = 1 << 4,   // call() returns the slot of a new tensor
  IS_FACTORY = 1 << 5,         // the tensor may be made with `requiresGrad`
};

// Whether it makes a tensor of a dtype, at a place: what Python gives requires_grad.
bool isFactory(const Packet& packet) {
  if (packet.name == "aten::to" || packet.name == "aten::_to_copy") return false;
  return std::any_of(packet.overloads.begin(), packet.overloads.end(), [](const Overload& overload) {
    auto has = [&](const char* name) {
      return std::any_of(overload.parameters.begin(), overload.parameters.end(), [&](const Parameter& p) { return p.keywordOnly && p.name == name; });
    };
    return has("dtype") && has("layout") && has("device");
  });
}

// directForms(packet): the forms that the operator has.
napi_value directForms(const Call& call) {
  const Packet& packet = packetAt(toInteger(call.env, call[0]));
  int forms = 0;
  if (packet.direct[1] != nullptr) forms |= ONE_TENSOR;
  if (packet.direct[2] != nullptr) forms |= TWO_TENSORS;
  if (packet.direct[3] != nullptr) forms |= THREE_TENSORS;
  if (packet.directScalar != nullptr) forms |= TENSOR_AND_NUMBER;
  if (packet.givesOneTensor) forms |= GIVES_ONE_TENSOR;
  if (isFactory(packet)) forms |= IS_FACTORY;
  return number(call.env, forms);
}

napi_value describe(napi_env env, const Parameter& parameter) {
  std::ostringstream byDefault;
  if (parameter.hasDefault) byDefault << parameter.defaultValue;
  return object(env, {{"name", string(env, parameter.name)},
                      {"type", string(env, parameter.type->str())},
                      {"list", boolean(env, parameter.list)},
                      {"broadcast", boolean(env, parameter.broadcast > 0)},
                      {"supported", boolean(env, parameter.kind != Kind::Unsupported)},
                      {"keywordOnly", boolean(env, parameter.keywordOnly)},
                      {"optional", boolean(env, parameter.optional)},
                      {"default", parameter.hasDefault ? string(env, byDefault.str()) : undefined(env)}});
}

napi_value describe(napi_env env, const c10::OperatorName& name) {
  Overload overload = overloadOf(name.name, name.overload_name);
  const auto& returns = overload.op.schema().returns();
  auto parameter = [&](size_t i) { return describe(env, overload.parameters[i]); };
  auto returned = [&](size_t i) { return string(env, returns[i].real_type()->str()); };
  return object(env, {{"name", string(env, name.name)},
                      {"overload", string(env, name.overload_name)},
                      {"schema", string(env, schemaText(overload))},
                      {"parameters", list(env, overload.parameters.size(), parameter)},
                      {"returns", list(env, returns.size(), returned)}});
}

// schemas(): every operator of the dispatcher.
napi_value schemas(const Call& call) {
  std::vector<c10::OperatorName> names;
  for (const auto& [name, overloads] : overloadNames()) {
    for (const std::string& overload : overloads) names.emplace_back(name, overload);
  }
  return list(call.env, names.size(), [&](size_t i) { return describe(call.env, names[i]); });
}

}  // namespace

void exportSchemas(napi_env env, napi_value exports) {
  define(env, exports, "packet", guarded<packet, 1>);
  define(env, exports, "packetName", guarded<packetNameAt, 1>);
  define(env, exports, "nameId", guarded<nameIdOf, 1>);
  define(env, exports, "directForms", guarded<directForms, 1>);
  define(env, exports, "schemas", guarded<schemas, 0>);
}

}  // namespace penumbra
