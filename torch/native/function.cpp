// Differentiable operations whose forward and backward are JavaScript.
#include "observers.h"

#include <torch/csrc/autograd/custom_function.h>

#include <thread>
#include <unordered_set>

namespace penumbra {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Node;
using torch::autograd::variable_list;

struct HandleScope {
  napi_env env;
  napi_handle_scope scope;
  explicit HandleScope(napi_env env) : env(env) { check(env, napi_open_handle_scope(env, &scope)); }
  ~HandleScope() { napi_close_handle_scope(env, scope); }
};

// The JavaScript function that differentiates, alive as long as the graph's node.
struct Backward : torch::CustomClassHolder {
  napi_env env;
  napi_ref reference = nullptr;
  std::thread::id thread = std::this_thread::get_id();
  Backward(napi_env env, napi_value function) : env(env) { check(env, napi_create_reference(env, function, 1, &reference)); }
  ~Backward() override { discard(env, reference); }
  variable_list call(const variable_list& gradients, const variable_list& saved) const {
    if (std::this_thread::get_id() != thread) {
      throw TorchError("A custom function's backward ran on another thread than its forward: backward() was called on that thread, or "
                       "within the backward of more than 60 others, which libtorch gives to threads of its own. Nest them less deeply.");
    }
    HandleScope scope(env);  // a backward pass may call very many of these
    napi_value function, arguments[2] = {array(env, gradients), array(env, saved)}, result;
    check(env, napi_get_reference_value(env, reference, &function));
    check(env, napi_call_function(env, undefined(env), function, 2, arguments, &result));
    return tensors(env, result);
  }
};

// Custom functions whose backward runs on this thread, the innermost last. libtorch holds each one's lock meanwhile.
thread_local std::vector<Node*> running;

struct Running {
  Running() { running.push_back(torch::autograd::get_current_node().get()); }
  ~Running() { running.pop_back(); }
};

// A call of customFunction, for its forward.
struct Forward {
  napi_env env;
  napi_value function, saved;
};

struct JavaScriptFunction : torch::autograd::Function<JavaScriptFunction> {
  static variable_list forward(AutogradContext* context, at::TensorList inputs, c10::intrusive_ptr<Backward> backward, const Forward* call) {
    context->saved_data["backward"] = c10::IValue::make_capsule(backward);
    context->set_materialize_grads(false);
    HandleScope scope(call->env);
    napi_value argument = array(call->env, inputs.vec()), result;
    check(call->env, napi_call_function(call->env, undefined(call->env), call->function, 1, &argument, &result));
    variable_list outputs = tensors(call->env, result);
    for (const at::Tensor& output : outputs) {
      if (!output.defined()) throw TorchError("A custom function's forward gave null for an output. Return a tensor, or an array of tensors.");
    }
    context->save_for_backward(tensors(call->env, call->saved));
    return outputs;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    auto function = c10::static_intrusive_pointer_cast<Backward>(context->saved_data["backward"].toCapsule());
    Running guard;
    variable_list result = function->call(gradients, context->get_saved_variables());
    result.resize(result.size() + 2);  // the functions have no gradient
    return result;
  }
};

// customFunction(forward, backward, inputs, saved) -> outputs; both functions take and return arrays of tensors, and
// backward's second argument is what `saved` holds after forward, which the graph keeps until it is freed.
napi_value customFunction(const Call& call) {
  freeGarbage(call.env);
  variable_list inputs = tensors(call.env, call[2]);
  Forward forward{call.env, call[0], call[3]};
  CallSite site(call.env, "customFunction");
  return array(call.env, JavaScriptFunction::apply(at::TensorList(inputs), c10::make_intrusive<Backward>(call.env, call[1]), &forward));
}

// Whether one of the nodes is reached from these.
bool reaches(std::vector<Node*> open, const std::unordered_set<Node*>& wanted) {
  std::unordered_set<Node*> seen;
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (wanted.count(node) != 0) return true;
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return false;
}

}  // namespace

void refuseReentry(const variable_list& outputs, const variable_list& inputs) {
  if (running.empty()) return;
  auto nodeOf = [](const at::Tensor& tensor) { return torch::autograd::impl::gradient_edge(tensor).function.get(); };
  std::vector<Node*> from;
  std::unordered_set<Node*> to;
  for (const at::Tensor& output : outputs) if (output.defined() && output.requires_grad()) from.push_back(nodeOf(output));
  for (const at::Tensor& input : inputs) if (input.defined() && input.requires_grad()) to.insert(nodeOf(input));
  for (Node* node : running) {
    if (!reaches(from, {node})) continue;
    std::vector<Node*> beyond;
    for (const auto& edge : node->next_edges()) beyond.push_back(edge.function.get());
    if (!inputs.empty() && !reaches(beyond, to)) continue;  // libtorch does not run it then
    throw TorchError("A custom function's backward differentiates what the function itself has made: it would wait for its own end. Compute the "
                     "gradients from the inputs, or from saved tensors, with an enableGrad() of its own.");
  }
}

// libtorch names the nodes of custom functions by their C++ type.
std::string readable(std::string message) {
  const std::string begin = "torch::autograd::CppNode<", end = "JavaScriptFunction>";
  size_t from = message.find(begin), to = message.find(end);
  if (from != std::string::npos && to != std::string::npos && from < to) message.replace(from, to + end.size() - from, "CustomFunctionBackward");
  return message;
}

void exportFunction(napi_env env, napi_value exports) { define(env, exports, "customFunction", guarded<customFunction, 4>); }

}  // namespace penumbra
