// Differentiable operations whose forward and backward are JavaScript.
#include "addon.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <mutex>
#include <thread>

namespace penumbra {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// References whose owners died where Node-API must not be called (a finalizer); freed at the next occasion.
std::mutex garbageMutex;
std::vector<std::pair<napi_env, napi_ref>> garbage;

void freeGarbage(napi_env env) {
  std::lock_guard<std::mutex> lock(garbageMutex);
  auto mine = std::partition(garbage.begin(), garbage.end(), [&](const auto& entry) { return entry.first != env; });
  for (auto entry = mine; entry != garbage.end(); ++entry) napi_delete_reference(env, entry->second);
  garbage.erase(mine, garbage.end());
}

}  // namespace

void forgetGarbage(napi_env env) {
  std::lock_guard<std::mutex> lock(garbageMutex);
  garbage.erase(std::remove_if(garbage.begin(), garbage.end(), [&](const auto& entry) { return entry.first == env; }), garbage.end());
}

namespace {

struct HandleScope {
  napi_env env;
  napi_handle_scope scope;
  explicit HandleScope(napi_env env) : env(env) { check(env, napi_open_handle_scope(env, &scope)); }
  ~HandleScope() { napi_close_handle_scope(env, scope); }
};

// A pair of JavaScript functions, alive as long as the graph's node.
struct Callbacks : torch::CustomClassHolder {
  napi_env env;
  napi_ref forward = nullptr, backward = nullptr;
  std::thread::id thread = std::this_thread::get_id();
  Callbacks(napi_env env, napi_value forwardFunction, napi_value backwardFunction) : env(env) {
    check(env, napi_create_reference(env, forwardFunction, 1, &forward));
    check(env, napi_create_reference(env, backwardFunction, 1, &backward));
  }
  ~Callbacks() override {
    std::lock_guard<std::mutex> lock(garbageMutex);
    garbage.emplace_back(env, forward);
    garbage.emplace_back(env, backward);
  }
  variable_list call(napi_ref reference, const variable_list& inputs, const variable_list& saved) const {
    if (std::this_thread::get_id() != thread) {
      throw TorchError("A custom function's backward ran on another thread than its forward: backward() was called on that thread, or "
                       "within the backward of more than 60 others, which libtorch gives to threads of its own. Nest them less deeply.");
    }
    HandleScope scope(env);  // a backward pass may call very many of these
    napi_value function, arguments[2] = {array(env, inputs), array(env, saved)}, result;
    check(env, napi_get_reference_value(env, reference, &function));
    check(env, napi_call_function(env, undefined(env), function, 2, arguments, &result));
    return tensors(env, result);
  }
};

struct JavaScriptFunction : torch::autograd::Function<JavaScriptFunction> {
  static variable_list forward(AutogradContext* context, at::TensorList inputs, c10::intrusive_ptr<Callbacks> callbacks,
                               const variable_list* saved) {
    context->saved_data["callbacks"] = c10::IValue::make_capsule(callbacks);
    context->set_materialize_grads(false);
    context->save_for_backward(*saved);
    variable_list outputs = callbacks->call(callbacks->forward, inputs.vec(), {});
    for (const at::Tensor& output : outputs) {
      if (!output.defined()) throw TorchError("A custom function's forward gave null for an output. Return a tensor, or an array of tensors.");
    }
    return outputs;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    auto callbacks = c10::static_intrusive_pointer_cast<Callbacks>(context->saved_data["callbacks"].toCapsule());
    variable_list result = callbacks->call(callbacks->backward, gradients, context->get_saved_variables());
    result.resize(result.size() + 2);  // callbacks and saved tensors have no gradient
    return result;
  }
};

// customFunction(forward, backward, inputs, saved) -> outputs; both functions take and return arrays of tensors, and
// backward's second argument is `saved`, which the graph holds until it is freed.
napi_value customFunction(const Call& call) {
  freeGarbage(call.env);
  variable_list inputs = tensors(call.env, call[2]), saved = tensors(call.env, call[3]);
  auto callbacks = c10::make_intrusive<Callbacks>(call.env, call[0], call[1]);
  return array(call.env, JavaScriptFunction::apply(at::TensorList(inputs), callbacks, &saved));
}

}  // namespace

// libtorch names the nodes of custom functions by their C++ type.
std::string readable(std::string message) {
  const std::string begin = "torch::autograd::CppNode<", end = "JavaScriptFunction>";
  size_t from = message.find(begin), to = message.find(end);
  if (from != std::string::npos && to != std::string::npos && from < to) message.replace(from, to + end.size() - from, "CustomFunctionBackward");
  return message;
}

void exportFunction(napi_env env, napi_value exports) { define(env, exports, "customFunction", guarded<customFunction, 4>); }

}  // namespace penumbra
