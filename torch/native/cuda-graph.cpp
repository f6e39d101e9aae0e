// CUDA graphs. libtorch's class for them lies in libtorch_cuda, to which the addon does not link, and its header needs
// CUDA's own: so its functions are looked up by their exported names, in libtorch_cuda as it was opened (system.cpp). Its
// object lies in more memory than any version's takes, with a pattern behind that tells where one should take more.
// The names are those of 2.6.0 and 2.14.1; not tried on a GPU yet.
#include "cuda-graph.h"
#include "shared-library.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <optional>

namespace penumbra {
namespace {

using Pool = std::pair<unsigned long long, unsigned long long>;  // c10's MempoolId_t
constexpr Pool OWN_POOL = {0, 0};
constexpr int CAPTURE_GLOBALLY = 0;  // cudaStreamCaptureModeGlobal: no thread may do meanwhile what a capture forbids

template <typename Function>
Function symbol(const char* name) {
  return reinterpret_cast<Function>(symbolOf(name));
}

// The members of at::cuda::CUDAGraph.
struct Functions {
  void (*construct)(void*) = symbol<void (*)(void*)>("_ZN2at4cuda9CUDAGraphC1Ev");  // libtorch 2.6
  void (*constructKeeping)(void*, bool) = symbol<void (*)(void*, bool)>("_ZN2at4cuda9CUDAGraphC1Eb");
  void (*destroy)(void*) = symbol<void (*)(void*)>("_ZN2at4cuda9CUDAGraphD1Ev");
  void (*begin)(void*, Pool, int) = symbol<void (*)(void*, Pool, int)>("_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode");
  void (*end)(void*) = symbol<void (*)(void*)>("_ZN2at4cuda9CUDAGraph11capture_endEv");
  void (*replay)(void*) = symbol<void (*)(void*)>("_ZN2at4cuda9CUDAGraph6replayEv");
  bool areComplete() const { return (construct || constructKeeping) && destroy && begin && end && replay; }
};

const Functions& functions() {
  if (!cudaProblem().empty()) throw TorchError("CUDA graphs need an NVIDIA GPU and a CUDA build of libtorch. " + cudaProblem());
  static const Functions found;
  if (!found.areComplete()) throw TorchError("This build of libtorch does not offer CUDA graphs under the names that are known.");
  return found;
}

class Graph {
 public:
  explicit Graph(c10::Device device) : functions(penumbra::functions()), guard(device.type()), device(device) {
    memory.fill(PATTERN);
    if (functions.constructKeeping) functions.constructKeeping(memory.data(), false);
    else functions.construct(memory.data());
    bool isUntouched = std::all_of(memory.begin() + MOST, memory.end(), [](unsigned char byte) { return byte == PATTERN; });
    if (!isUntouched) throw TorchError("libtorch's CUDAGraph is larger than was thought. Please report this with the version.");
  }
  Graph(const Graph&) = delete;
  ~Graph() { functions.destroy(memory.data()); }

  // Work goes to a stream of its own from now on: the usual one cannot be recorded.
  void enter() {
    deviceBefore = guard.exchangeDevice(device);
    wait();
    streamBefore = guard.exchangeStream(guard.getStreamFromGlobalPool(device, false));
  }
  void begin() {
    wait();
    functions.begin(memory.data(), OWN_POOL, CAPTURE_GLOBALLY);
    isRecording = true;
  }
  void end() {
    isRecording = false;
    functions.end(memory.data());
    isRecorded = true;
  }
  void leave() {
    if (streamBefore) guard.exchangeStream(*streamBefore);
    streamBefore.reset();
    wait();
    guard.setDevice(deviceBefore);
  }
  void replay() {
    if (!isRecorded) throw TorchError("Nothing was recorded.");
    functions.replay(memory.data());
  }
  bool isRecording = false;

 private:
  void wait() { at::detail::getCUDAHooks().deviceSynchronize(device.index()); }

  static constexpr size_t MOST = 4096, BEHIND = 4096;
  static constexpr unsigned char PATTERN = 0xa5;
  alignas(std::max_align_t) std::array<unsigned char, MOST + BEHIND> memory;
  const Functions& functions;
  c10::impl::VirtualGuardImpl guard;
  c10::Device device, deviceBefore = device;
  std::optional<c10::Stream> streamBefore;
  bool isRecorded = false;
};

constexpr napi_type_tag graphTag = {0x70656e756d627261, 0x6375646167726170};
using Held = std::unique_ptr<Graph>;

Held& heldIn(const Call& call) {
  bool isOurs = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(call.env, call[0], &graphTag, &isOurs) != napi_ok || !isOurs) throw TorchError("Expected a CUDA graph.");
  check(call.env, napi_get_value_external(call.env, call[0], &data));
  return *static_cast<Held*>(data);
}

Graph& graphOf(const Call& call) {
  Held& held = heldIn(call);
  if (held == nullptr) throw TorchError("This CUDA graph was disposed. Record it again.");
  return *held;
}

// beginGraph(device) -> graph: from now on work goes to a stream of the graph's own, for runs that warm up.
napi_value beginGraph(const Call& call) {
  auto held = std::make_unique<Held>(std::make_unique<Graph>(c10::Device(at::kCUDA, static_cast<c10::DeviceIndex>(toInteger(call.env, call[0])))));
  napi_value result;
  auto finalize = [](node_api_basic_env, void* data, void*) { delete static_cast<Held*>(data); };
  check(call.env, napi_create_external(call.env, held.get(), finalize, nullptr, &result));
  Graph& graph = **held.release();
  check(call.env, napi_type_tag_object(call.env, result, &graphTag));
  graph.enter();
  return result;
}

// recordGraph(graph): what is asked of the GPU from now on is recorded, not done.
napi_value recordGraph(const Call& call) {
  graphOf(call).begin();
  return nullptr;
}

// endGraph(graph): the recording is whole, and work goes to the usual stream again.
napi_value endGraph(const Call& call) {
  Graph& graph = graphOf(call);
  try {
    if (graph.isRecording) graph.end();
  } catch (...) {
    graph.leave();
    throw;
  }
  graph.leave();
  return nullptr;
}

napi_value replayGraph(const Call& call) {
  graphOf(call).replay();
  return nullptr;
}

napi_value disposeGraph(const Call& call) {
  heldIn(call).reset();
  return nullptr;
}

}  // namespace

void exportCudaGraph(napi_env env, napi_value exports) {
  define(env, exports, "beginGraph", guarded<beginGraph, 1>);
  define(env, exports, "recordGraph", guarded<recordGraph, 1>);
  define(env, exports, "endGraph", guarded<endGraph, 1>);
  define(env, exports, "replayGraph", guarded<replayGraph, 1>);
  define(env, exports, "disposeGraph", guarded<disposeGraph, 1>);
}

}  // namespace penumbra
