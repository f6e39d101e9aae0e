// Names and values on both sides: strings, numbers, dtypes, devices, lists; and IValues on their way to JavaScript.
#include "addon.h"

#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cctype>

namespace penumbra {

std::string text(napi_env env, napi_value value) {
  size_t length = 0;
  check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &length));
  std::string result(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, result.data(), length + 1, &length));
  return result;
}

napi_value string(napi_env env, const std::string& value) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, value.c_str(), value.size(), &result);
  return result;
}

napi_value number(napi_env env, double value) {
  napi_value result;
  check(env, napi_create_double(env, value, &result));
  return result;
}

napi_value boolean(napi_env env, bool value) {
  napi_value result;
  check(env, napi_get_boolean(env, value, &result));
  return result;
}

napi_value null(napi_env env) {
  napi_value result;
  check(env, napi_get_null(env, &result));
  return result;
}

napi_value undefined(napi_env env) {
  napi_value result;
  check(env, napi_get_undefined(env, &result));
  return result;
}

napi_value object(napi_env env, std::initializer_list<std::pair<const char*, napi_value>> properties) {
  napi_value result;
  check(env, napi_create_object(env, &result));
  for (const auto& [name, value] : properties) check(env, napi_set_named_property(env, result, name, value));
  return result;
}

bool toBool(napi_env env, napi_value value) {
  bool result = false;
  check(env, napi_get_value_bool(env, value, &result));
  return result;
}

int32_t toInteger(napi_env env, napi_value value) {
  int32_t result = 0;
  check(env, napi_get_value_int32(env, value, &result));
  return result;
}

bool isNullish(napi_env env, napi_value value) {
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  return type == napi_undefined || type == napi_null;
}

uint32_t lengthOf(napi_env env, napi_value array) {
  constexpr uint32_t most = 1 << 20;  // an array may say that it has four billion elements, and hold none
  bool is = false;
  uint32_t length = 0;
  check(env, napi_is_array(env, array, &is));
  if (!is) throw TorchError("Expected an array.");
  check(env, napi_get_array_length(env, array, &length));
  if (length > most) {
    throw TorchError("A list of " + std::to_string(length) + " elements is longer than the 1,048,576 that an argument may have. "
                     "Large data belongs into a tensor.");
  }
  return length;
}

std::vector<napi_value> elements(napi_env env, napi_value array) {
  std::vector<napi_value> result(lengthOf(env, array));
  for (uint32_t i = 0; i < result.size(); i++) check(env, napi_get_element(env, array, i, &result[i]));
  return result;
}

namespace {

template <typename T>
using Names = std::vector<std::pair<std::string, T>>;

const Names<at::ScalarType>& scalarTypes() {
  static const Names<at::ScalarType> names = [] {
    Names<at::ScalarType> result = {
        {"float32", at::kFloat},         {"float64", at::kDouble},           {"float16", at::kHalf},
        {"bfloat16", at::kBFloat16},     {"int64", at::kLong},               {"int32", at::kInt},
        {"int16", at::kShort},           {"int8", at::kChar},                {"uint8", at::kByte},
        {"bool", at::kBool},             {"complex64", at::kComplexFloat},   {"complex128", at::kComplexDouble},
        {"complex32", at::kComplexHalf}};
    // The remaining types have no names of their own in PyTorch's list of common ones: take libtorch's, in lower case.
    for (int i = 0; i < static_cast<int>(at::ScalarType::NumOptions); i++) {
      auto type = static_cast<at::ScalarType>(i);
      bool known = std::any_of(result.begin(), result.end(), [&](const auto& entry) { return entry.second == type; });
      if (known || type == at::ScalarType::Undefined) continue;
      std::string name = c10::toString(type);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      result.emplace_back(name, type);
    }
    return result;
  }();
  return names;
}

const Names<at::Layout> layouts = {
    {"strided", at::kStrided},      {"sparse_coo", at::kSparse},    {"sparse_csr", at::kSparseCsr}, {"sparse_csc", at::kSparseCsc},
    {"sparse_bsr", at::kSparseBsr}, {"sparse_bsc", at::kSparseBsc}, {"_mkldnn", at::kMkldnn},       {"jagged", at::kJagged}};

const Names<at::MemoryFormat> memoryFormats = {{"contiguous", at::MemoryFormat::Contiguous},
                                               {"preserve", at::MemoryFormat::Preserve},
                                               {"channelsLast", at::MemoryFormat::ChannelsLast},
                                               {"channelsLast3d", at::MemoryFormat::ChannelsLast3d}};

template <typename T>
T named(const Names<T>& names, const std::string& wanted, const char* what) {
  std::string known;
  for (const auto& [name, value] : names) {
    if (name == wanted) return value;
    known += (known.empty() ? "" : ", ") + name;
  }
  throw TorchError("This libtorch has no " + std::string(what) + " \"" + wanted + "\". Known are: " + known + ".");
}

template <typename T>
std::string nameIn(const Names<T>& names, T wanted) {
  for (const auto& [name, value] : names) if (value == wanted) return name;
  return "unknown";
}

}  // namespace

at::ScalarType scalarType(const std::string& name) { return named(scalarTypes(), name, "dtype"); }
at::Layout layout(const std::string& name) { return named(layouts, name, "layout"); }
at::MemoryFormat memoryFormat(const std::string& name) { return named(memoryFormats, name, "memory format"); }
std::string scalarTypeName(at::ScalarType type) { return nameIn(scalarTypes(), type); }
std::string layoutName(at::Layout layout) { return nameIn(layouts, layout); }
std::string memoryFormatName(at::MemoryFormat format) { return nameIn(memoryFormats, format); }

at::Device device(const std::string& name) {
  try {
    return at::Device(name);
  } catch (const c10::Error&) {
    throw TorchError("Unknown device \"" + name + "\". Examples: \"cpu\", \"cuda\", \"cuda:1\".");
  }
}

std::vector<at::Tensor> tensors(napi_env env, napi_value array) {
  std::vector<at::Tensor> result;
  for (napi_value element : elements(env, array)) {
    result.push_back(isNullish(env, element) ? at::Tensor() : tensorOf(env, element));
  }
  return result;
}

napi_value array(napi_env env, const std::vector<at::Tensor>& tensors) {
  return list(env, tensors.size(), [&](size_t i) { return wrap(env, tensors[i]); });
}

namespace {

napi_value unsignedInteger(napi_env env, uint64_t value) {
  napi_value result;
  check(env, napi_create_bigint_uint64(env, value, &result));
  return result;
}

// Whole numbers that a double cannot hold become bigint.
napi_value integer(napi_env env, int64_t value) {
  constexpr int64_t safe = 9007199254740991;
  if (value >= -safe && value <= safe) return number(env, value);
  napi_value result;
  check(env, napi_create_bigint_int64(env, value, &result));
  return result;
}

}  // namespace

napi_value toJavaScript(napi_env env, const c10::IValue& value, const c10::Type* type) {
  if (type != nullptr && type->kind() == c10::TypeKind::OptionalType) {
    type = static_cast<const c10::OptionalType*>(type)->getElementType().get();
  }
  if (value.isNone()) return null(env);
  if (value.isTensor()) return wrap(env, value.toTensor());
  if (value.isInt()) {
    int64_t plain = value.toInt();
    switch (type == nullptr ? c10::TypeKind::IntType : type->kind()) {
      case c10::TypeKind::ScalarTypeType: return string(env, scalarTypeName(static_cast<at::ScalarType>(plain)));
      case c10::TypeKind::LayoutType: return string(env, layoutName(static_cast<at::Layout>(plain)));
      case c10::TypeKind::MemoryFormatType: return string(env, memoryFormatName(static_cast<at::MemoryFormat>(plain)));
      default: return integer(env, plain);
    }
  }
  if (value.isSymInt()) return integer(env, value.toSymInt().expect_int());
  if (value.isDouble()) return number(env, value.toDouble());
  if (value.isBool()) return boolean(env, value.toBool());
  if (value.isString()) return string(env, value.toStringRef());
  if (value.isComplexDouble()) {
    c10::complex<double> complex = value.toComplexDouble();
    return object(env, {{"real", number(env, complex.real())}, {"imag", number(env, complex.imag())}});
  }
  if (value.isDevice()) return string(env, value.toDevice().str());
  if (value.isGenerator()) return wrap(env, value.toGenerator());
  if (value.isTensorList()) return array(env, value.toTensorVector());
  if (value.isList()) {
    auto values = value.toListRef();
    return list(env, values.size(), [&](size_t i) { return toJavaScript(env, values[i], nullptr); });
  }
  if (value.tagKind() == "UInt") return unsignedInteger(env, value.toScalar().toUInt64());  // beyond what int64 holds
  throw TorchError("A result of type " + value.tagKind() + " has no JavaScript counterpart.");
}

}  // namespace penumbra
