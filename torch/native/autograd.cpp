// Differentiation: backward, grad, the thread-local modes, and operations whose forward and backward are JavaScript.
#include "addon.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/AutogradState.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>

#include <algorithm>
#include <mutex>
#include <sstream>
#include <thread>
#include <unordered_set>

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
    napi_value function, undefined, arguments[2] = {array(env, inputs), array(env, saved)}, result;
    check(env, napi_get_reference_value(env, reference, &function));
    check(env, napi_get_undefined(env, &undefined));
    check(env, napi_call_function(env, undefined, function, 2, arguments, &result));
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

bool flag(const Call& call, size_t i) {
  bool result = false;
  if (i < call.count && !isNullish(call.env, call[i])) check(call.env, napi_get_value_bool(call.env, call[i], &result));
  return result;
}

// CUDA's backward runs on this thread too, so that JavaScript can be called from it.
struct OneThread {
  bool before = c10::AutogradState::get_tls_state().get_multithreading_enabled();
  OneThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(false); }
  ~OneThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(before); }
};

// backward(tensors, gradients, retainGraph, createGraph, inputs)
napi_value backward(const Call& call) {
  OneThread guard;
  variable_list inputs = isNullish(call.env, call[4]) ? variable_list() : tensors(call.env, call[4]);
  torch::autograd::backward(tensors(call.env, call[0]), tensors(call.env, call[1]), flag(call, 2), flag(call, 3), inputs);
  return nullptr;
}

// grad(outputs, inputs, gradOutputs, retainGraph, createGraph, allowUnused)
napi_value grad(const Call& call) {
  OneThread guard;
  return array(call.env, torch::autograd::grad(tensors(call.env, call[0]), tensors(call.env, call[1]), tensors(call.env, call[2]),
                                               flag(call, 3), flag(call, 4), flag(call, 5)));
}

napi_value requiresGrad(const Call& call) { return boolean(call.env, tensorOf(call.env, call[0]).requires_grad()); }
napi_value setRequiresGrad(const Call& call) {
  tensorOf(call.env, call[0]).set_requires_grad(flag(call, 1));
  return nullptr;
}
napi_value isLeaf(const Call& call) { return boolean(call.env, tensorOf(call.env, call[0]).is_leaf()); }
napi_value gradFn(const Call& call) {
  auto node = tensorOf(call.env, call[0]).grad_fn();
  if (!node) return null(call.env);
  std::string name = node->name();  // our own node's is a mangled template
  return string(call.env, name.find("JavaScriptFunction") != std::string::npos ? "CustomFunctionBackward" : name);
}
napi_value gradient(const Call& call) { return wrap(call.env, tensorOf(call.env, call[0]).grad()); }

std::string described(const at::Tensor& tensor) {
  std::ostringstream text;
  text << scalarTypeName(tensor.scalar_type()) << tensor.sizes() << " on " << tensor.device();
  return text.str();
}

// Operators that walk through a parameter and its gradient together trust that both have the same size.
napi_value setGradient(const Call& call) {
  at::Tensor& tensor = tensorOf(call.env, call[0]);
  at::Tensor gradient = isNullish(call.env, call[1]) ? at::Tensor() : tensorOf(call.env, call[1]);
  if (gradient.defined()) {
    if (gradient.is_same(tensor)) throw TorchError("A tensor cannot be its own gradient. Pass a clone().");
    if (gradient.sizes() != tensor.sizes() || gradient.scalar_type() != tensor.scalar_type() || gradient.device() != tensor.device()) {
      throw TorchError("A gradient of " + described(gradient) + " does not belong to a tensor of " + described(tensor) +
                       ". Give it the tensor's shape, dtype and device.");
    }
  }
  tensor.mutable_grad() = std::move(gradient);
  return nullptr;
}

// Whether everything that this backward pass reaches gets its gradient, as in backward() without `inputs`.
napi_value reachesAllLeaves(const Call& call) {
  return boolean(call.env, torch::autograd::Engine::get_default_engine().is_checkpoint_valid());
}

// reachesOtherLeaves(outputs, inputs): whether differentiating the outputs accumulates gradients beyond the inputs.
napi_value reachesOtherLeaves(const Call& call) {
  using torch::autograd::Node;
  auto nodeOf = [](const at::Tensor& tensor) { return torch::autograd::impl::gradient_edge(tensor).function.get(); };
  std::vector<Node*> open;
  std::unordered_set<Node*> seen;
  for (const at::Tensor& input : tensors(call.env, call[1])) if (input.requires_grad()) seen.insert(nodeOf(input));
  for (const at::Tensor& output : tensors(call.env, call[0])) if (output.requires_grad()) open.push_back(nodeOf(output));
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (dynamic_cast<torch::autograd::AccumulateGrad*>(node) != nullptr) return boolean(call.env, true);
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return boolean(call.env, false);
}
napi_value detach(const Call& call) { return wrap(call.env, tensorOf(call.env, call[0]).detach()); }

// setGradMode(enabled) -> what it was
napi_value setGradMode(const Call& call) {
  bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(flag(call, 0));
  return boolean(call.env, before);
}
napi_value gradMode(const Call& call) { return boolean(call.env, at::GradMode::is_enabled()); }

napi_value inferenceMode(const Call& call) {
  c10::InferenceMode guard(true);
  napi_value undefined, result;
  check(call.env, napi_get_undefined(call.env, &undefined));
  check(call.env, napi_call_function(call.env, undefined, call[0], 0, nullptr, &result));
  return result;
}

// autocast(device, dtype, enabled, callback)
napi_value autocast(const Call& call) {
  at::DeviceType type = device(text(call.env, call[0])).type();
  struct Restore {
    at::DeviceType type;
    bool enabled = at::autocast::is_autocast_enabled(type);
    at::ScalarType dtype = at::autocast::get_autocast_dtype(type);
    ~Restore() {
      if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
      at::autocast::set_autocast_enabled(type, enabled);
      at::autocast::set_autocast_dtype(type, dtype);
    }
  };
  at::ScalarType dtype = scalarType(text(call.env, call[1]));
  bool enabled = flag(call, 2);
  at::autocast::increment_nesting();
  Restore restore{type};
  at::autocast::set_autocast_enabled(type, enabled);
  at::autocast::set_autocast_dtype(type, dtype);
  napi_value undefined, result;
  check(call.env, napi_get_undefined(call.env, &undefined));
  check(call.env, napi_call_function(call.env, undefined, call[3], 0, nullptr, &result));
  return result;
}

// autocastState(device) -> [enabled, dtype]
napi_value autocastState(const Call& call) {
  at::DeviceType type = device(text(call.env, call[0])).type();
  napi_value result;
  check(call.env, napi_create_array_with_length(call.env, 2, &result));
  check(call.env, napi_set_element(call.env, result, 0, boolean(call.env, at::autocast::is_autocast_enabled(type))));
  check(call.env, napi_set_element(call.env, result, 1, string(call.env, scalarTypeName(at::autocast::get_autocast_dtype(type)))));
  return result;
}

}  // namespace

void exportAutograd(napi_env env, napi_value exports) {
  define(env, exports, "customFunction", guarded<customFunction>);
  define(env, exports, "backward", guarded<backward>);
  define(env, exports, "grad", guarded<grad>);
  define(env, exports, "requiresGrad", guarded<requiresGrad>);
  define(env, exports, "setRequiresGrad", guarded<setRequiresGrad>);
  define(env, exports, "isLeaf", guarded<isLeaf>);
  define(env, exports, "gradFn", guarded<gradFn>);
  define(env, exports, "gradient", guarded<gradient>);
  define(env, exports, "setGradient", guarded<setGradient>);
  define(env, exports, "detach", guarded<detach>);
  define(env, exports, "reachesAllLeaves", guarded<reachesAllLeaves>);
  define(env, exports, "reachesOtherLeaves", guarded<reachesOtherLeaves>);
  define(env, exports, "setGradMode", guarded<setGradMode>);
  define(env, exports, "gradMode", guarded<gradMode>);
  define(env, exports, "inferenceMode", guarded<inferenceMode>);
  define(env, exports, "autocast", guarded<autocast>);
  define(env, exports, "autocastState", guarded<autocastState>);
}

}  // namespace penumbra
