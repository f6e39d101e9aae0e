// Differentiation: backward, grad, and the thread-local modes.
#include "observers.h"

#include <ATen/SequenceNumber.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/AutogradState.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>

#include <unordered_set>

namespace penumbra {
namespace {

using torch::autograd::variable_list;

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
  variable_list outputs = tensors(call.env, call[0]);
  refuseReentry(outputs, inputs);
  CallSite site(call.env, "backward");
  try {
    torch::autograd::backward(outputs, tensors(call.env, call[1]), toBool(call.env, call[2]), toBool(call.env, call[3]), inputs);
  } catch (...) {
    site.rethrow();
  }
  return nullptr;
}

// grad(outputs, inputs, gradOutputs, retainGraph, createGraph, allowUnused)
napi_value grad(const Call& call) {
  OneThread guard;
  variable_list outputs = tensors(call.env, call[0]), inputs = tensors(call.env, call[1]);
  refuseReentry(outputs, inputs);
  CallSite site(call.env, "grad");
  try {
    return array(call.env, torch::autograd::grad(outputs, inputs, tensors(call.env, call[2]), toBool(call.env, call[3]), toBool(call.env, call[4]),
                                                 toBool(call.env, call[5])));
  } catch (...) {
    site.rethrow();
  }
}

napi_value requiresGrad(const Call& call) { return boolean(call.env, tensorOf(call.env, call[0]).requires_grad()); }
napi_value setRequiresGrad(const Call& call) {
  tensorOf(call.env, call[0]).set_requires_grad(toBool(call.env, call[1]));
  return nullptr;
}
napi_value gradFn(const Call& call) {
  auto node = tensorOf(call.env, call[0]).grad_fn();
  if (!node) return null(call.env);
  return string(call.env, readable(node->name()));
}
napi_value gradient(const Call& call) { return wrap(call.env, tensorOf(call.env, call[0]).grad()); }

napi_value setGradient(const Call& call) {
  tensorOf(call.env, call[0]).mutable_grad() = isNullish(call.env, call[1]) ? at::Tensor() : tensorOf(call.env, call[1]);
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

// graphAge() -> a number that all nodes made on this thread from now on have reached.
napi_value graphAge(const Call& call) { return number(call.env, static_cast<double>(at::sequence_number::peek())); }

// reachesOlder(outputs, age): whether differentiating the outputs goes through nodes that were there at that age.
napi_value reachesOlder(const Call& call) {
  using torch::autograd::Node;
  double age = 0;
  check(call.env, napi_get_value_double(call.env, call[1], &age));
  std::vector<Node*> open;
  std::unordered_set<Node*> seen;
  for (const at::Tensor& output : tensors(call.env, call[0])) open.push_back(output.grad_fn().get());
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (static_cast<double>(node->sequence_nr()) < age) return boolean(call.env, true);  // leaves have the largest number
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return boolean(call.env, false);
}

// setGradMode(enabled) -> what it was
napi_value setGradMode(const Call& call) {
  bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(toBool(call.env, call[0]));
  return boolean(call.env, before);
}
napi_value gradMode(const Call& call) { return boolean(call.env, at::GradMode::is_enabled()); }

napi_value inferenceMode(const Call& call) {
  c10::InferenceMode guard(true);
  napi_value result;
  check(call.env, napi_call_function(call.env, undefined(call.env), call[0], 0, nullptr, &result));
  return result;
}

// setAutocast(device, dtype, enabled, change): `change` of the nesting is 1 where a region begins, -1 where it ends.
napi_value setAutocast(const Call& call) {
  at::DeviceType type = device(text(call.env, call[0])).type();
  at::ScalarType dtype = scalarType(text(call.env, call[1]));
  at::autocast::set_autocast_enabled(type, toBool(call.env, call[2]));
  at::autocast::set_autocast_dtype(type, dtype);
  if (toInteger(call.env, call[3]) > 0) at::autocast::increment_nesting();
  else if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  return nullptr;
}

// autocastState(device) -> {enabled, dtype}
napi_value autocastState(const Call& call) {
  at::DeviceType type = device(text(call.env, call[0])).type();
  return object(call.env, {{"enabled", boolean(call.env, at::autocast::is_autocast_enabled(type))},
                           {"dtype", string(call.env, scalarTypeName(at::autocast::get_autocast_dtype(type)))}});
}

}  // namespace

void exportAutograd(napi_env env, napi_value exports) {
  define(env, exports, "backward", guarded<backward>);
  define(env, exports, "grad", guarded<grad>);
  define(env, exports, "requiresGrad", guarded<requiresGrad>);
  define(env, exports, "setRequiresGrad", guarded<setRequiresGrad>);
  define(env, exports, "gradFn", guarded<gradFn>);
  define(env, exports, "gradient", guarded<gradient>);
  define(env, exports, "setGradient", guarded<setGradient>);
  define(env, exports, "reachesAllLeaves", guarded<reachesAllLeaves>);
  define(env, exports, "reachesOtherLeaves", guarded<reachesOtherLeaves>);
  define(env, exports, "graphAge", guarded<graphAge>);
  define(env, exports, "reachesOlder", guarded<reachesOlder>);
  define(env, exports, "setGradMode", guarded<setGradMode>);
  define(env, exports, "gradMode", guarded<gradMode>);
  define(env, exports, "inferenceMode", guarded<inferenceMode>);
  define(env, exports, "setAutocast", guarded<setAutocast, 4>);
  define(env, exports, "autocastState", guarded<autocastState>);
}

}  // namespace penumbra
