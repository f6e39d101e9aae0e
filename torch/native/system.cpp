// The machine and its settings: seeds and generators, threads, determinism, devices, versions.
#include "addon.h"
#include "shared-library.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/version.h>

namespace penumbra {

namespace {
#ifdef _WIN32
constexpr const char* DRIVER = "nvcuda.dll";
#else
constexpr const char* DRIVER = "libcuda.so.1";
#endif
}  // namespace

// CUDA's kernels register themselves when libtorch_cuda is loaded, which the addon does not link to: so a CUDA build
// serves a machine that has neither NVIDIA's driver nor the libraries that only libtorch_cuda needs.
const std::string& cudaProblem() {
  static const std::string problem = []() -> std::string {
    std::string noDriver = openLibrary(DRIVER);
    if (!noDriver.empty()) return "NVIDIA's driver was not found: " + noDriver;
    // It lies beside libtorch_cpu, wherever that was found, and is named like it.
    std::string path = libraryOf(reinterpret_cast<const void*>(&at::globalContext));
    size_t name = path.rfind("torch_cpu");
    if (name == std::string::npos) return "libtorch lies in \"" + path + "\", and libtorch_cuda is looked for beside libtorch_cpu.";
    return openLibrary(path.replace(name, 9, "torch_cuda"), true);
  }();
  return problem;
}

namespace {

uint64_t toSeed(napi_env env, napi_value value) {
  uint64_t seed = 0;
  bool lossless = false;
  check(env, napi_get_value_bigint_uint64(env, value, &seed, &lossless));
  return seed;
}

napi_value manualSeed(const Call& call) {
  at::manual_seed(toSeed(call.env, call[0]));
  return nullptr;
}

// attachGenerator(object, device, seed): a generator of its own for a new Generator.
napi_value attachGenerator(const Call& call) {
  at::Device where = device(text(call.env, call[1]));
  uint64_t seed = toSeed(call.env, call[2]);
  at::Generator result = where.is_cpu() ? at::make_generator<at::CPUGeneratorImpl>() : at::globalContext().defaultGenerator(where).clone();
  {
    std::lock_guard<std::mutex> lock(result.mutex());
    result.set_current_seed(seed);
  }
  attach(call.env, call[0], std::move(result));
  return nullptr;
}
napi_value defaultGenerator(const Call& call) {
  return wrap(call.env, at::globalContext().defaultGenerator(device(text(call.env, call[0]))));
}

napi_value generatorSeed(const Call& call) {
  at::Generator& target = generatorOf(call.env, call[0]);
  uint64_t seed = toSeed(call.env, call[1]);
  std::lock_guard<std::mutex> lock(target.mutex());
  target.set_current_seed(seed);
  return nullptr;
}
napi_value generatorState(const Call& call) {
  at::Generator& target = generatorOf(call.env, call[0]);
  at::Tensor state;
  {
    std::lock_guard<std::mutex> lock(target.mutex());
    state = target.get_state();
  }
  return wrap(call.env, std::move(state));  // without the lock: this calls JavaScript
}
napi_value setGeneratorState(const Call& call) {
  at::Generator& target = generatorOf(call.env, call[0]);
  const at::Tensor& state = tensorOf(call.env, call[1]);
  std::lock_guard<std::mutex> lock(target.mutex());
  target.set_state(state);
  return nullptr;
}
napi_value generatorDevice(const Call& call) { return string(call.env, generatorOf(call.env, call[0]).device().str()); }

napi_value threads(const Call& call) { return number(call.env, at::get_num_threads()); }
napi_value setThreads(const Call& call) {
  at::set_num_threads(toInteger(call.env, call[0]));
  return nullptr;
}

// setDeterministic(enabled, warnOnly)
napi_value setDeterministic(const Call& call) {
  at::globalContext().setDeterministicAlgorithms(toBool(call.env, call[0]), toBool(call.env, call[1]));
  at::globalContext().setDeterministicCuDNN(toBool(call.env, call[0]));
  return nullptr;
}
napi_value deterministic(const Call& call) { return boolean(call.env, at::globalContext().deterministicAlgorithms()); }

napi_value setCudnnBenchmark(const Call& call) {
  at::globalContext().setBenchmarkCuDNN(toBool(call.env, call[0]));
  return nullptr;
}
napi_value setTf32(const Call& call) {
  at::globalContext().setAllowTF32CuBLAS(toBool(call.env, call[0]));
  at::globalContext().setAllowTF32CuDNN(toBool(call.env, call[0]));
  return nullptr;
}

napi_value cudaDevices(const Call& call) {
  return number(call.env, at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0);
}
// cudaProblem(): why CUDA's part of libtorch could not be loaded, or an empty string.
napi_value cudaProblemText(const Call& call) { return string(call.env, cudaProblem()); }

napi_value cudaSynchronize(const Call& call) {
  at::detail::getCUDAHooks().deviceSynchronize(static_cast<at::DeviceIndex>(toInteger(call.env, call[0])));
  return nullptr;
}

#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 9

// CUDA's allocator as one of any device, so that nothing links to CUDA; nullptr where it has not given any memory yet.
c10::DeviceAllocator* cudaAllocator() {
  if (!at::globalContext().hasCUDA()) return nullptr;
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(c10::DeviceType::CUDA));
  return allocator != nullptr && allocator->initialized() ? allocator : nullptr;
}

// cudaMemory(device) -> bytes that tensors have, bytes that the allocator holds for them, and the most of both.
napi_value cudaMemory(const Call& call) {
  c10::CachingDeviceAllocator::DeviceStats stats;
  auto index = static_cast<at::DeviceIndex>(toInteger(call.env, call[0]));
  if (auto* allocator = cudaAllocator()) stats = allocator->getDeviceStats(index);
  constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return object(call.env, {{"allocated", number(call.env, stats.allocated_bytes[all].current)},
                           {"reserved", number(call.env, stats.reserved_bytes[all].current)},
                           {"peakAllocated", number(call.env, stats.allocated_bytes[all].peak)},
                           {"peakReserved", number(call.env, stats.reserved_bytes[all].peak)}});
}

napi_value cudaEmptyCache(const Call& call) {
  if (auto* allocator = cudaAllocator()) allocator->emptyCache();
  return nullptr;
}

#else

napi_value cudaMemory(const Call& call) { throw TorchError("libtorch " TORCH_VERSION " does not tell of CUDA's memory. Use 2.9 or newer."); }
napi_value cudaEmptyCache(const Call& call) { return cudaMemory(call); }

#endif

napi_value information(const Call& call) {
  return object(call.env, {{"version", string(call.env, TORCH_VERSION)},
                           {"config", string(call.env, at::show_config())},
                           {"parallel", string(call.env, at::get_parallel_info())},
                           {"cpuCapability", string(call.env, at::get_cpu_capability())}});
}

}  // namespace

void exportSystem(napi_env env, napi_value exports) {
  define(env, exports, "manualSeed", guarded<manualSeed>);
  define(env, exports, "attachGenerator", guarded<attachGenerator>);
  define(env, exports, "defaultGenerator", guarded<defaultGenerator>);
  define(env, exports, "generatorSeed", guarded<generatorSeed>);
  define(env, exports, "generatorState", guarded<generatorState>);
  define(env, exports, "setGeneratorState", guarded<setGeneratorState>);
  define(env, exports, "generatorDevice", guarded<generatorDevice>);
  define(env, exports, "threads", guarded<threads>);
  define(env, exports, "setThreads", guarded<setThreads>);
  define(env, exports, "setDeterministic", guarded<setDeterministic>);
  define(env, exports, "deterministic", guarded<deterministic>);
  define(env, exports, "setCudnnBenchmark", guarded<setCudnnBenchmark>);
  define(env, exports, "setTf32", guarded<setTf32>);
  define(env, exports, "cudaDevices", guarded<cudaDevices>);
  define(env, exports, "cudaProblem", guarded<cudaProblemText>);
  define(env, exports, "cudaSynchronize", guarded<cudaSynchronize>);
  define(env, exports, "cudaMemory", guarded<cudaMemory>);
  define(env, exports, "cudaEmptyCache", guarded<cudaEmptyCache>);
  define(env, exports, "information", guarded<information>);
}

}  // namespace penumbra
