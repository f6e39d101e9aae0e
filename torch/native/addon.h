// What the files of the addon share: a tensor's handle, the state of one JavaScript environment, errors.
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
#include <stdexcept>
#include <string>
#include <vector>

namespace penumbra {

// Behind every JavaScript Tensor and Generator stands a handle. The magic number tells ours from another addon's.
enum class Magic : uint64_t { Tensor = 0x70656e756d627261, Generator = 0x70656e756d627262 };

struct Handle {
  Magic magic;
  int32_t creator = -1;   // index of the packet that made the tensor, -1 for anything else
  int64_t external = 0;   // bytes told to the garbage collector
  at::Tensor tensor;
  at::Generator generator;
};

// One per JavaScript environment: the main thread and each worker thread have their own.
struct Environment {
  napi_ref tensorClass = nullptr;
  napi_ref generatorClass = nullptr;
  napi_ref errorClass = nullptr;
  int64_t live = 0;       // tensors not yet disposed or collected
  int64_t liveBytes = 0;  // bytes of those that own their storage
  int32_t creator = -1;   // packet whose results are being wrapped
};

Environment& environment(napi_env env);

// A JavaScript exception on its way through C++ frames (the autograd engine, say).
struct JavaScriptError : std::runtime_error {
  explicit JavaScriptError(napi_env env);
  napi_env env;
  napi_ref reference = nullptr;
};

// An error of ours: message, operator ("" where there is none), schema and a description of each argument.
struct TorchError : std::runtime_error {
  TorchError(const std::string& message, std::string op = "", std::string schema = "", std::string arguments = "")
      : std::runtime_error(message), op(std::move(op)), schema(std::move(schema)), arguments(std::move(arguments)) {}
  std::string op, schema, arguments;
};

// Throws JavaScriptError where a Node-API call failed.
void check(napi_env env, napi_status status);

// --- handles (handle.cpp)
napi_value wrap(napi_env env, at::Tensor tensor);
napi_value wrap(napi_env env, at::Generator generator);
Handle* handleOf(napi_env env, napi_value value);  // nullptr where the value is neither tensor nor generator
at::Tensor& tensorOf(napi_env env, napi_value value);  // throws where it is none, or disposed
at::Generator& generatorOf(napi_env env, napi_value value);
at::Tensor& alive(Handle* handle);
void exportHandles(napi_env env, napi_value exports);

// --- conversion between JavaScript values and IValues, by schema (convert.cpp)
std::string text(napi_env env, napi_value value);
napi_value string(napi_env env, const std::string& value);
napi_value number(napi_env env, double value);
napi_value boolean(napi_env env, bool value);
napi_value null(napi_env env);
bool isNullish(napi_env env, napi_value value);
std::vector<napi_value> elements(napi_env env, napi_value array);
at::ScalarType scalarType(const std::string& name);
std::string scalarTypeName(at::ScalarType type);
at::Device device(const std::string& name);
std::vector<at::Tensor> tensors(napi_env env, napi_value array);  // null stands for an undefined tensor
napi_value array(napi_env env, const std::vector<at::Tensor>& tensors);
napi_value toJavaScript(napi_env env, const c10::IValue& value, const c10::Type* type);

// --- operators (dispatch.cpp), differentiation (autograd.cpp), the machine (system.cpp)
std::string packetName(int32_t packet);
void exportDispatch(napi_env env, napi_value exports);
void exportAutograd(napi_env env, napi_value exports);
void exportSystem(napi_env env, napi_value exports);

// --- functions for JavaScript
struct Call {
  napi_env env;
  napi_value self;
  size_t count;
  napi_value values[32];
  napi_value operator[](size_t i) const { return values[i]; }
};
using Function = napi_value (*)(const Call&);
void throwToJavaScript(napi_env env) noexcept;  // inside a catch block
void define(napi_env env, napi_value exports, const char* name, napi_callback callback);

template <Function function>
napi_value guarded(napi_env env, napi_callback_info info) {
  Call call{env, nullptr, 32, {}};
  try {
    check(env, napi_get_cb_info(env, info, &call.count, call.values, &call.self, nullptr));
    if (call.count > 32) throw TorchError("Too many arguments: at most 32 can be passed.");
    return function(call);
  } catch (...) {
    throwToJavaScript(env);
    return nullptr;
  }
}

}  // namespace penumbra
