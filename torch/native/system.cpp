// The machine and its settings: seeds and generators, threads, determinism, devices, versions.
#include "addon.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <dlfcn.h>

namespace penumbra {

// CUDA's kernels register themselves when libtorch_cuda is loaded, which the addon does not link to: so a CUDA build
// serves a machine that has neither NVIDIA's driver nor the libraries that only libtorch_cuda needs.
const std::string& cudaProblem() {
  static const std::string problem = []() -> std::string {
    if (dlopen("libcuda.so.1", RTLD_LAZY) == nullptr) return std::string("NVIDIA's driver was not found: ") + dlerror();
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) return dlerror();
    return "";
  }();
  return problem;
}

namespace {

uint64_t seedOf(napi_env env, napi_value value) {
  double seed = -1;
  if (napi_get_value_double(env, value, &seed) == napi_ok && seed >= 0 && seed <= 9007199254740991.0) {
    return static_cast<uint64_t>(seed);
  }
  uint64_t wide = 0;
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env, value, &wide, &lossless) == napi_ok && lossless) return wide;
  throw TorchError("A seed is a whole number from 0 to 2^53 - 1, or a bigint below 2^64.");
}

bool flag(const Call& call, size_t i) {
  bool result = false;
  check(call.env, napi_get_value_bool(call.env, call[i], &result));
  return result;
}

napi_value manualSeed(const Call& call) {
  at::manual_seed(seedOf(call.env, call[0]));
  return nullptr;
}

// attachGenerator(object, device, seed): a generator of its own for a new Generator.
napi_value attachGenerator(const Call& call) {
  at::Device where = device(text(call.env, call[1]));
  uint64_t seed = seedOf(call.env, call[2]);
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
  std::lock_guard<std::mutex> lock(target.mutex());
  target.set_current_seed(seedOf(call.env, call[1]));
  return nullptr;
}
napi_value generatorState(const Call& call) {
  at::Generator& target = generatorOf(call.env, call[0]);
  std::lock_guard<std::mutex> lock(target.mutex());
  return wrap(call.env, target.get_state());
}
napi_value setGeneratorState(const Call& call) {
  at::Generator& target = generatorOf(call.env, call[0]);
  std::lock_guard<std::mutex> lock(target.mutex());
  target.set_state(tensorOf(call.env, call[1]));
  return nullptr;
}
napi_value generatorDevice(const Call& call) { return string(call.env, generatorOf(call.env, call[0]).device().str()); }

napi_value threads(const Call& call) { return number(call.env, at::get_num_threads()); }
napi_value setThreads(const Call& call) {
  int32_t count = 0;
  // OpenMP ends the process where the system refuses to make that many.
  if (napi_get_value_int32(call.env, call[0], &count) != napi_ok || count < 1 || count > 1024) {
    throw TorchError("The number of threads is a whole number from 1 on, up to 1024.");
  }
  at::set_num_threads(count);
  return nullptr;
}

// setDeterministic(enabled, warnOnly)
napi_value setDeterministic(const Call& call) {
  at::globalContext().setDeterministicAlgorithms(flag(call, 0), flag(call, 1));
  at::globalContext().setDeterministicCuDNN(flag(call, 0));
  return nullptr;
}
napi_value deterministic(const Call& call) { return boolean(call.env, at::globalContext().deterministicAlgorithms()); }

napi_value setCudnnBenchmark(const Call& call) {
  at::globalContext().setBenchmarkCuDNN(flag(call, 0));
  return nullptr;
}
napi_value setTf32(const Call& call) {
  at::globalContext().setAllowTF32CuBLAS(flag(call, 0));
  at::globalContext().setAllowTF32CuDNN(flag(call, 0));
  return nullptr;
}

napi_value cudaDevices(const Call& call) {
  return number(call.env, at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0);
}
// cudaProblem(): why CUDA's part of libtorch could not be loaded, or an empty string.
napi_value cudaProblemText(const Call& call) { return string(call.env, cudaProblem()); }

napi_value cudaSynchronize(const Call& call) {
  int32_t index = 0;
  check(call.env, napi_get_value_int32(call.env, call[0], &index));
  at::detail::getCUDAHooks().deviceSynchronize(static_cast<at::DeviceIndex>(index));
  return nullptr;
}

napi_value information(const Call& call) {
  napi_value result;
  check(call.env, napi_create_object(call.env, &result));
  auto set = [&](const char* name, napi_value value) { check(call.env, napi_set_named_property(call.env, result, name, value)); };
  set("version", string(call.env, TORCH_VERSION));
  set("config", string(call.env, at::show_config()));
  set("parallel", string(call.env, at::get_parallel_info()));
  set("cpuCapability", string(call.env, at::get_cpu_capability()));
  return result;
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
  define(env, exports, "information", guarded<information>);
}

}  // namespace penumbra
