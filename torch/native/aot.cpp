// Networks that Python's AOTInductor has compiled, in packages (.pt2): libtorch unpacks them, loads what is compiled and runs it.
#include "aot.h"

#include <torch/version.h>

#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 8
#define PENUMBRA_AOT
#include <ATen/core/grad_mode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#endif

#include <cstdlib>

namespace penumbra {
namespace {

#ifdef PENUMBRA_AOT

constexpr napi_type_tag packageTag = {0x70656e756d627261, 0x616f747061636b67};

using Package = std::unique_ptr<torch::inductor::AOTIModelPackageLoader>;

Package& packageOf(const Call& call) {
  bool isOurs = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(call.env, call[0], &packageTag, &isOurs) != napi_ok || !isOurs) throw TorchError("Expected a compiled network.");
  check(call.env, napi_get_value_external(call.env, call[0], &data));
  auto& package = *static_cast<Package*>(data);
  if (package == nullptr) throw TorchError("This compiled network was disposed. Load it again.");
  return package;
}

// loadPackage(file, name, device) -> package. What is compiled checks its inputs' sizes, strides and dtypes only where a variable
// of the environment says so when it first runs; without, wrong ones end the process.
napi_value loadPackage(const Call& call) {
  static const int set = setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", 1);
  if (set != 0) throw TorchError("The environment cannot be changed, which compiled networks need to check their inputs.");
  auto package = std::make_unique<Package>(std::make_unique<torch::inductor::AOTIModelPackageLoader>(
      text(call.env, call[0]), text(call.env, call[1]), false, 1, static_cast<c10::DeviceIndex>(toInteger(call.env, call[2]))));
  napi_value result;
  auto finalize = [](node_api_basic_env, void* data, void*) { delete static_cast<Package*>(data); };
  check(call.env, napi_create_external(call.env, package.get(), finalize, nullptr, &result));
  package.release();
  check(call.env, napi_type_tag_object(call.env, result, &packageTag));
  return result;
}

// describePackage(package) -> {inputs, outputs, constants, metadata}: the trees of inputs and outputs as JSON of PyTorch's
napi_value describePackage(const Call& call) {
  auto& package = *packageOf(call);
  std::vector<std::string> spec = package.get_call_spec(), constants = package.get_constant_fqns();
  std::vector<std::pair<std::string, std::string>> metadata;
  for (auto& [key, value] : package.get_metadata()) metadata.emplace_back(key, value);
  auto pair = [&](size_t i) {
    return list(call.env, 2, [&](size_t j) { return string(call.env, j == 0 ? metadata[i].first : metadata[i].second); });
  };
  return object(call.env, {{"inputs", string(call.env, spec.empty() ? "" : spec[0])},
                           {"outputs", string(call.env, spec.size() < 2 ? "" : spec[1])},
                           {"constants", list(call.env, constants.size(), [&](size_t i) { return string(call.env, constants[i]); })},
                           {"metadata", list(call.env, metadata.size(), pair)}});
}

// runPackage(package, inputs) -> outputs
napi_value runPackage(const Call& call) {
  auto& package = *packageOf(call);
  std::vector<at::Tensor> inputs = tensors(call.env, call[1]);
  at::NoGradGuard noGrad;
  return array(call.env, package.run(inputs));
}

napi_value disposePackage(const Call& call) {
  packageOf(call).reset();
  return nullptr;
}

#else

napi_value loadPackage(const Call& call) {
  throw TorchError("libtorch " TORCH_VERSION " is too old for compiled packages here. Use 2.8 or newer.");
}
napi_value describePackage(const Call& call) { return loadPackage(call); }
napi_value runPackage(const Call& call) { return loadPackage(call); }
napi_value disposePackage(const Call& call) { return loadPackage(call); }

#endif

}  // namespace

void exportAot(napi_env env, napi_value exports) {
  define(env, exports, "loadPackage", guarded<loadPackage, 3>);
  define(env, exports, "describePackage", guarded<describePackage, 1>);
  define(env, exports, "runPackage", guarded<runPackage, 2>);
  define(env, exports, "disposePackage", guarded<disposePackage, 1>);
}

}  // namespace penumbra
