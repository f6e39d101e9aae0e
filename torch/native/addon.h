// What the files of the addon share: tensors' slots, the state of one JavaScript environment, errors, exported functions.
#pragma once

// Finalizers that run during garbage collection, inside synchronous loops, exist in the experimental version only.
#ifndef NAPI_EXPERIMENTAL
#define NAPI_EXPERIMENTAL
#endif
#undef NAPI_VERSION
#define NAPI_VERSION 2147483647  // NAPI_VERSION_EXPERIMENTAL
#include <node_api.h>

#include <ATen/core/Generator.h>
#include <ATen/core/TensorBody.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace penumbra {

// A JavaScript Tensor holds the number of a slot, and the slot holds the libtorch tensor. The object is the slot's only
// owner: disposing sets its number to 0. Numbers make the common calls cheap (no unwrapping), and no number that
// JavaScript could pass leads outside of the table.
struct Slot {
  at::Tensor tensor;
  int64_t bytes = 0;        // of a tensor that owns its storage
  int64_t external = 0;     // bytes told to the garbage collector
  uint32_t generation = 0;  // how often the slot was emptied: tells a late finalizer that the slot is another's
};

// One per JavaScript environment: the main thread and each worker thread have their own.
struct Environment {
  napi_ref tensorClass = nullptr, generatorClass = nullptr, errorClass = nullptr, warn = nullptr;
  napi_ref slotKey = nullptr, makerKey = nullptr;  // symbols of the Tensor's two properties
  std::deque<Slot> slots = std::deque<Slot>(1);    // grows without moving; slot 0 stands for "disposed"
  std::vector<int32_t> empty;
  int64_t live = 0, liveBytes = 0;
  int32_t maker = -1;  // the operator whose results are being wrapped
  std::vector<std::string> warnings;  // that came during the call and JavaScript has not heard of yet
  std::shared_ptr<void> warningHandler;
};

Environment& environment(napi_env env);

// nullptr for a number that no tensor has.
inline Slot* slotAt(Environment& state, int32_t number) {
  if (number <= 0 || static_cast<size_t>(number) >= state.slots.size()) return nullptr;
  Slot& slot = state.slots[number];
  return slot.tensor.defined() ? &slot : nullptr;
}

// A JavaScript exception on its way through C++ frames (the autograd engine, say).
struct JavaScriptError : std::runtime_error {
  explicit JavaScriptError(napi_env env);
  napi_env env;
  napi_ref reference = nullptr;
};

// An error of ours: message, operator ("" where there is none) and schema.
struct TorchError : std::runtime_error {
  explicit TorchError(const std::string& message, std::string op = "", std::string schema = "")
      : std::runtime_error(message), op(std::move(op)), schema(std::move(schema)) {}
  std::string op, schema;
};

// Throws where a Node-API call failed: JavaScriptError for an exception, TorchError for a value of the wrong type.
void check(napi_env env, napi_status status);

// --- tensors and generators (handle.cpp)
int32_t insert(Environment& state, at::Tensor tensor);  // into a slot
napi_value wrap(napi_env env, at::Tensor tensor);       // null for an undefined tensor
napi_value wrap(napi_env env, at::Generator generator);
void attach(napi_env env, napi_value object, at::Generator generator);
constexpr int32_t NOT_A_TENSOR = -1;
int32_t slotOf(napi_env env, napi_value value);  // 0 for a disposed tensor
at::Tensor& tensorOf(napi_env env, napi_value value);  // throws where it is none, or disposed
[[noreturn]] void throwDisposed(napi_env env, napi_value tensor);
at::Generator* generatorIn(napi_env env, napi_value value);  // nullptr where it is none
at::Generator& generatorOf(napi_env env, napi_value value);
void exportHandles(napi_env env, napi_value exports);

// --- elements as bytes (bytes.cpp), what leaves its thread (threads.cpp), references to give up (garbage.cpp)
void exportBytes(napi_env env, napi_value exports);
void exportThreads(napi_env env, napi_value exports);
void discard(napi_env env, napi_ref reference);  // from any thread and any finalizer
void freeGarbage(napi_env env);                  // what was discarded
void forgetGarbage(napi_env env);                // when an environment ends

// --- conversion between JavaScript values and C++ (convert.cpp)
std::string text(napi_env env, napi_value value);
napi_value string(napi_env env, const std::string& value);
napi_value number(napi_env env, double value);
napi_value boolean(napi_env env, bool value);
napi_value null(napi_env env);
napi_value undefined(napi_env env);
napi_value object(napi_env env, std::initializer_list<std::pair<const char*, napi_value>> properties);
template <typename Element>
napi_value list(napi_env env, size_t length, Element element) {  // of element(0), element(1), …
  napi_value result;
  check(env, napi_create_array_with_length(env, length, &result));
  for (size_t i = 0; i < length; i++) check(env, napi_set_element(env, result, i, element(i)));
  return result;
}
bool toBool(napi_env env, napi_value value);
int32_t toInteger(napi_env env, napi_value value);
bool isNullish(napi_env env, napi_value value);
uint32_t lengthOf(napi_env env, napi_value array);  // throws where it is none, or too long for a list
std::vector<napi_value> elements(napi_env env, napi_value array);
at::ScalarType scalarType(const std::string& name);
std::string scalarTypeName(at::ScalarType type);
at::Device device(const std::string& name);
at::Layout layout(const std::string& name);
std::string layoutName(at::Layout layout);
at::MemoryFormat memoryFormat(const std::string& name);
std::string memoryFormatName(at::MemoryFormat format);
std::vector<at::Tensor> tensors(napi_env env, napi_value array);  // null stands for an undefined tensor
napi_value array(napi_env env, const std::vector<at::Tensor>& tensors);
napi_value toJavaScript(napi_env env, const c10::IValue& value, const c10::Type* type);

// --- operators (complement.cpp, schemas.cpp, arguments.cpp, dispatch.cpp), differentiation (autograd.cpp, function.cpp), the machine (system.cpp),
// groups of processes (distributed.cpp)
void completeOperators();
const std::string& cudaProblem();  // why CUDA's part of libtorch could not be loaded; "" where it is there
std::string packetName(int32_t packet);
void exportSchemas(napi_env env, napi_value exports);
void exportDispatch(napi_env env, napi_value exports);
void exportGuards(napi_env env, napi_value exports);
void exportAutograd(napi_env env, napi_value exports);
void exportFunction(napi_env env, napi_value exports);
// Throws where differentiating would run a custom function whose backward is running already: libtorch would wait for ever.
void refuseReentry(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& inputs);
void exportSystem(napi_env env, napi_value exports);
void exportDistributed(napi_env env, napi_value exports);

// --- functions for JavaScript
struct Call {
  static constexpr size_t most = 64;
  napi_env env;
  size_t count;
  Environment* state;
  napi_value values[most];  // undefined where fewer arguments came
  napi_value operator[](size_t i) const { return values[i]; }
};
using Function = napi_value (*)(const Call&);
std::string readable(std::string message);  // with custom functions named by what they are
void throwToJavaScript(napi_env env) noexcept;  // inside a catch block
void throwTorchError(napi_env env, const std::string& message, const std::string& op = "", const std::string& schema = "") noexcept;
void collectWarnings(Environment& state);       // from now on, on this thread (warnings.cpp)
void emitWarnings(napi_env env, Environment& state) noexcept;
void define(napi_env env, napi_value exports, const char* name, napi_callback callback);

// `wanted` arguments are read; functions that take any number leave it out.
template <Function function, size_t wanted = Call::most>
napi_value guarded(napi_env env, napi_callback_info info) {
  Call call;
  call.env = env;
  call.count = wanted;
  void* state = nullptr;
  if (napi_get_cb_info(env, info, &call.count, call.values, nullptr, &state) != napi_ok) return nullptr;
  call.state = static_cast<Environment*>(state);
  napi_value result = nullptr;
  try {
    if (call.count > Call::most) throw TorchError("Too many arguments: at most 64 can be passed.");
    result = function(call);
  } catch (...) {
    if (!call.state->warnings.empty()) emitWarnings(env, *call.state);  // now: no JavaScript runs once it has the error
    throwToJavaScript(env);
    return nullptr;
  }
  if (!call.state->warnings.empty()) emitWarnings(env, *call.state);
  return result;
}

}  // namespace penumbra
