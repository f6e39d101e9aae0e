// Groups of processes (libtorch's own c10d with Gloo, a rendezvous over TCP), and hooks that gradients' averages need.
#include "addon.h"

#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#ifdef PENUMBRA_GLOO
#define USE_C10D_GLOO
#include "gloo/algorithm.h"
#include "gloo/common/error.h"
#include "gloo/context.h"
#include "gloo/rendezvous/store.h"
#include "gloo/transport/device.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

#include <c10/util/Logging.h>

#include <chrono>
#include <cstdlib>

namespace penumbra {
namespace {

// A JavaScript function, called on its own thread.
struct Callback {
  napi_env env;
  napi_ref reference = nullptr;
  Callback(napi_env env, napi_value function) : env(env) { check(env, napi_create_reference(env, function, 1, &reference)); }
  Callback(const Callback&) = delete;
  ~Callback() { napi_delete_reference(env, reference); }
  void call(int32_t argument) const {
    napi_handle_scope scope;
    check(env, napi_open_handle_scope(env, &scope));
    napi_value function, value = number(env, argument), result;
    napi_status status = napi_get_reference_value(env, reference, &function);
    if (status == napi_ok) status = napi_call_function(env, undefined(env), function, 1, &value, &result);
    napi_close_handle_scope(env, scope);
    check(env, status);
  }
};

struct GradientHook : torch::autograd::PostAccumulateGradHook {
  std::shared_ptr<Callback> callback;
  int32_t index;
  GradientHook(std::shared_ptr<Callback> callback, int32_t index) : callback(std::move(callback)), index(index) {}
  void operator()(const at::Tensor&) override { callback->call(index); }
};

// onGradients(leaves, callback): callback(i) is called when a backward pass has added to the gradient of leaves[i]; null
// takes the callback away. A leaf has one.
napi_value onGradients(const Call& call) {
  std::vector<at::Tensor> leaves = tensors(call.env, call[0]);
  auto callback = isNullish(call.env, call[1]) ? nullptr : std::make_shared<Callback>(call.env, call[1]);
  for (size_t i = 0; i < leaves.size(); i++) {
    auto hook = callback ? std::make_unique<GradientHook>(callback, static_cast<int32_t>(i)) : nullptr;
    torch::autograd::impl::set_post_acc_grad_hooks(leaves[i], std::move(hook));
  }
  return nullptr;
}

// afterBackward(callback): calls it at the end of the backward pass that runs now.
napi_value afterBackward(const Call& call) {
  auto callback = std::make_shared<Callback>(call.env, call[0]);
  torch::autograd::Engine::get_default_engine().queue_callback([callback] { callback->call(0); });
  return nullptr;
}

#ifdef PENUMBRA_GLOO

constexpr napi_type_tag groupTag = {0x70656e756d627261, 0x70726f6367726f75};
constexpr napi_type_tag workTag = {0x70656e756d627261, 0x636f6c6c776f726b};

using Group = c10::intrusive_ptr<c10d::Backend>;
using Work = c10::intrusive_ptr<c10d::Work>;

template <typename Held>
napi_value hold(napi_env env, Held held, const napi_type_tag& tag) {
  auto owned = std::make_unique<Held>(std::move(held));
  napi_value result;
  auto finalize = [](node_api_basic_env, void* data, void*) { delete static_cast<Held*>(data); };
  check(env, napi_create_external(env, owned.get(), finalize, nullptr, &result));
  owned.release();
  check(env, napi_type_tag_object(env, result, &tag));
  return result;
}

template <typename Held>
Held& held(napi_env env, napi_value value, const napi_type_tag& tag, const char* what) {
  bool isOurs = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(env, value, &tag, &isOurs) != napi_ok || !isOurs) throw TorchError(std::string("Expected ") + what + ".");
  check(env, napi_get_value_external(env, value, &data));
  Held& result = *static_cast<Held*>(data);
  if (!result) throw TorchError(std::string("This is ") + what + " that was closed.");
  return result;
}

Group& groupOf(const Call& call) { return held<Group>(call.env, call[0], groupTag, "a process group"); }
napi_value workFor(const Call& call, Work work) { return hold(call.env, std::move(work), workTag); }

// c10d prints what it throws, with C++'s stack. The error says it, so nothing is printed unless the user asks for more.
struct Quiet {
  int before = FLAGS_caffe2_log_level;
  Quiet() {
    if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_FATAL;
  }
  ~Quiet() { FLAGS_caffe2_log_level = before; }
};

std::chrono::milliseconds milliseconds(napi_env env, napi_value value) { return std::chrono::milliseconds(toInteger(env, value)); }

// createGroup(rank, size, host, port, servesStore, interface, joinTimeout, timeout) -> group. `interface` names a network interface, or
// an address with "@" before it; "" leaves the choice to Gloo.
napi_value createGroup(const Call& call) {
  int32_t rank = toInteger(call.env, call[0]), size = toInteger(call.env, call[1]);
  std::string interface = text(call.env, call[5]);
  auto timeout = milliseconds(call.env, call[7]);
  Quiet quiet;
  c10d::TCPStoreOptions rendezvous;
  rendezvous.port = static_cast<uint16_t>(toInteger(call.env, call[3]));
  rendezvous.isServer = toBool(call.env, call[4]);
  rendezvous.numWorkers = size;
  rendezvous.timeout = milliseconds(call.env, call[6]);
  auto store = c10::make_intrusive<c10d::PrefixStore>("penumbra", c10::make_intrusive<c10d::TCPStore>(text(call.env, call[2]), rendezvous));
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  options->threads = 2;  // so many buckets of gradients are on their way at once
  if (interface.empty()) options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
  else if (interface[0] == '@') options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(interface.substr(1)));
  else options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(interface));
  return hold<Group>(call.env, c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options), groupTag);
}

// closeGroup(group): ends its connections and threads, after the work that is under way.
napi_value closeGroup(const Call& call) {
  groupOf(call).reset();
  return nullptr;
}

c10d::ReduceOp reduction(const std::string& name) {
  using Op = c10d::ReduceOp;
  static const std::pair<const char*, Op::RedOpType> known[] = {
      {"sum", Op::SUM}, {"product", Op::PRODUCT}, {"min", Op::MIN}, {"max", Op::MAX}, {"and", Op::BAND}, {"or", Op::BOR}, {"xor", Op::BXOR}};
  for (const auto& [key, op] : known) if (name == key) return op;
  throw TorchError("There is no reduction \"" + name + "\".");
}

// beginAllReduce(group, tensor, reduction) -> work that replaces the tensor's elements
napi_value beginAllReduce(const Call& call) {
  std::vector<at::Tensor> list = {tensorOf(call.env, call[1])};
  c10d::AllreduceOptions options;
  options.reduceOp = reduction(text(call.env, call[2]));
  return workFor(call, groupOf(call)->allreduce(list, options));
}

// beginBroadcast(group, tensor, root) -> work that replaces the tensor's elements
napi_value beginBroadcast(const Call& call) {
  std::vector<at::Tensor> list = {tensorOf(call.env, call[1])};
  c10d::BroadcastOptions options;
  options.rootRank = toInteger(call.env, call[2]);
  return workFor(call, groupOf(call)->broadcast(list, options));
}

// beginAllGather(group, output, input) -> work that fills the output with every rank's input, one after the other
napi_value beginAllGather(const Call& call) {
  return workFor(call, groupOf(call)->_allgather_base(tensorOf(call.env, call[1]), tensorOf(call.env, call[2])));
}

// beginReduceScatter(group, output, input, reduction) -> work that fills the output with this rank's part of the reduction
napi_value beginReduceScatter(const Call& call) {
  c10d::ReduceScatterOptions options;
  options.reduceOp = reduction(text(call.env, call[3]));
  return workFor(call, groupOf(call)->_reduce_scatter_base(tensorOf(call.env, call[1]), tensorOf(call.env, call[2]), options));
}

// beginBarrier(group) -> work that ends when every rank has come to it
napi_value beginBarrier(const Call& call) { return workFor(call, groupOf(call)->barrier()); }

// wait(work): until it is done; throws what it failed with.
napi_value wait(const Call& call) {
  Work& work = held<Work>(call.env, call[0], workTag, "work of a process group");
  work->wait();
  work.reset();
  return nullptr;
}

#endif

}  // namespace

void exportDistributed(napi_env env, napi_value exports) {
  define(env, exports, "onGradients", guarded<onGradients, 2>);
  define(env, exports, "afterBackward", guarded<afterBackward, 1>);
#ifdef PENUMBRA_GLOO
  define(env, exports, "createGroup", guarded<createGroup, 8>);
  define(env, exports, "closeGroup", guarded<closeGroup, 1>);
  define(env, exports, "beginAllReduce", guarded<beginAllReduce, 3>);
  define(env, exports, "beginBroadcast", guarded<beginBroadcast, 3>);
  define(env, exports, "beginAllGather", guarded<beginAllGather, 3>);
  define(env, exports, "beginReduceScatter", guarded<beginReduceScatter, 4>);
  define(env, exports, "beginBarrier", guarded<beginBarrier, 1>);
  define(env, exports, "wait", guarded<wait, 1>);
#endif
}

}  // namespace penumbra
