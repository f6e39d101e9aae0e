// The table of operators: schemas read from the dispatcher, once for each operator that is used.
#include "operators.h"

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
    if (auto element = type->cast<c10::OptionalType>()) {
      result.elementOptional = true;
      type = element->getElementType();
    }
  }
  result.kind = kindOf(*type);
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
  Overload overload{c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), overloadName.c_str()), {}, 0, false};
  const c10::FunctionSchema& schema = overload.op.schema();
  for (const c10::Argument& argument : schema.arguments()) {
    overload.parameters.push_back(parameterOf(argument));
    if (overload.parameters.back().byPosition()) overload.positional += 1;
  }
  for (const c10::Argument& result : schema.returns()) {
    overload.writes = overload.writes || (result.alias_info() != nullptr && result.alias_info()->isWrite());
  }
  return overload;
}

bool returnsOneTensor(const Overload& overload) {
  const auto& returns = overload.op.schema().returns();
  return returns.size() == 1 && returns[0].real_type()->kind() == c10::TypeKind::TensorType;
}

bool allOthersHaveDefaults(const Overload& overload) {
  return std::all_of(overload.parameters.begin(), overload.parameters.end(),
                     [](const Parameter& p) { return p.byPosition() || p.hasDefault || p.optional; });
}

// The overload that the general search would choose for `count` tensors, where nothing in it needs converting.
const Overload* directFor(const Packet& packet, size_t count) {
  for (const Overload& overload : packet.overloads) {
    if (overload.positional != count || !allOthersHaveDefaults(overload)) continue;
    bool isTensors = true;
    for (const Parameter& p : overload.parameters) isTensors = isTensors && (!p.byPosition() || (p.kind == Kind::Tensor && !p.list));
    if (isTensors) return returnsOneTensor(overload) ? &overload : nullptr;
  }
  return nullptr;
}

// The same for a tensor and a number.
const Overload* directScalarFor(const Packet& packet) {
  for (const Overload& overload : packet.overloads) {
    if (overload.positional != 2 || !allOthersHaveDefaults(overload)) continue;
    std::vector<const Parameter*> pair;
    for (const Parameter& p : overload.parameters) if (p.byPosition()) pair.push_back(&p);
    if (pair[1]->kind == Kind::Tensor || pair[1]->kind == Kind::Bool || pair[1]->kind == Kind::String) continue;
    bool isScalar = pair[0]->kind == Kind::Tensor && !pair[0]->list && pair[1]->kind == Kind::Scalar && !pair[1]->list;
    return isScalar && returnsOneTensor(overload) ? &overload : nullptr;
  }
  return nullptr;
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
  for (size_t count = 1; count <= 3; count++) packet->direct[count] = directFor(*packet, count);
  packet->directScalar = directScalarFor(*packet);
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

// Names of parameters as numbers, so that a call compares no strings.
std::mutex namesMutex;
std::vector<std::string>& names() {
  static std::vector<std::string> list;
  return list;
}

}  // namespace

int32_t nameId(const std::string& camelCase) {
  static std::unordered_map<std::string, int32_t> ids;
  std::lock_guard<std::mutex> lock(namesMutex);
  auto [entry, isNew] = ids.emplace(camelCase, static_cast<int32_t>(ids.size()));
  if (isNew) names().push_back(camelCase);
  return entry->second;
}

std::string nameOf(int32_t nameId) {
  std::lock_guard<std::mutex> lock(namesMutex);
  return nameId >= 0 && static_cast<size_t>(nameId) < names().size() ? names()[nameId] : "?";
}

const Packet& packetAt(int32_t index) {
  const Packet* packet = index >= 0 && static_cast<size_t>(index) < mostPackets ? packets[index].load(std::memory_order_acquire) : nullptr;
  if (packet == nullptr) throw TorchError("There is no operator of this index.");
  return *packet;
}

std::string packetName(int32_t index) { return packetAt(index).name; }

std::string schemaText(const Overload& overload) { return c10::toString(overload.op.schema()); }

namespace {

int32_t integer(const Call& call, size_t i) {
  int32_t result = -1;
  check(call.env, napi_get_value_int32(call.env, call[i], &result));
  return result;
}

// packet(name) -> its index, for call() and direct().
napi_value packet(const Call& call) { return number(call.env, packetOf(text(call.env, call[0]))); }
napi_value packetNameAt(const Call& call) { return string(call.env, packetName(integer(call, 0))); }
napi_value nameIdOf(const Call& call) { return number(call.env, nameId(text(call.env, call[0]))); }

// directForms(packet): bit n is set where direct() takes n tensors, bit 4 where it takes a tensor and a number, bit 5 where
// call() returns the slot of a new tensor.
napi_value directForms(const Call& call) {
  const Packet& packet = packetAt(integer(call, 0));
  int forms = (packet.directScalar != nullptr ? 16 : 0) | (packet.givesOneTensor ? 32 : 0);
  for (int count = 1; count <= 3; count++) forms |= packet.direct[count] != nullptr ? 1 << count : 0;
  return number(call.env, forms);
}

napi_value parameterObject(napi_env env, const Parameter& parameter) {
  napi_value result;
  check(env, napi_create_object(env, &result));
  auto set = [&](const char* key, napi_value value) { check(env, napi_set_named_property(env, result, key, value)); };
  set("name", string(env, parameter.name));
  set("type", string(env, parameter.type->str()));
  set("list", boolean(env, parameter.list));
  set("broadcast", boolean(env, parameter.broadcast > 0));
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

void exportSchemas(napi_env env, napi_value exports) {
  define(env, exports, "packet", guarded<packet, 1>);
  define(env, exports, "packetName", guarded<packetNameAt, 1>);
  define(env, exports, "nameId", guarded<nameIdOf, 1>);
  define(env, exports, "directForms", guarded<directForms, 1>);
  define(env, exports, "schemas", guarded<schemas, 0>);
}

}  // namespace penumbra
