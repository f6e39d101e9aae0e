// Looks for elements that are no finite numbers: in a tensor, or in what every operator gives.
#include "observers.h"

#include <ATen/ops/isinf.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/sum.h>
#include <c10/core/InferenceMode.h>

namespace penumbra {
namespace {

// "float32[2, 3], has 1 NaN and 0 infinite elements"; "" for a tensor that is well, or has no such elements.
std::string ailment(const at::Tensor& tensor, bool refusesInfinite) {
  bool hasThem = tensor.defined() && (tensor.is_floating_point() || tensor.is_complex()) && !tensor.is_meta() && !tensor.is_nested();
  if (!hasThem) return "";
  c10::InferenceMode guard(true);  // and so no nodes of the graph
  at::Tensor elements = tensor.detach();
  if (elements.is_sparse()) elements = elements._values();
  else if (elements.layout() != at::kStrided) elements = elements.values();
  int64_t nan = at::isnan(elements).sum().item<int64_t>(), infinite = at::isinf(elements).sum().item<int64_t>();
  if (nan == 0 && (infinite == 0 || !refusesInfinite)) return "";
  std::string sizes;
  for (int64_t size : tensor.sizes()) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  return scalarTypeName(tensor.scalar_type()) + "[" + sizes + "], has " + std::to_string(nan) + " NaN and " + std::to_string(infinite) +
         " infinite elements";
}

// setNumericsCheck(check) -> what it was
napi_value setNumericsCheck(const Call& call) {
  int32_t before = numericsCheck;
  numericsCheck = toInteger(call.env, call[0]);
  return number(call.env, before);
}

// nonFinite(tensor, refusesInfinite) -> what is wrong, or null
napi_value nonFinite(const Call& call) {
  std::string found = ailment(tensorOf(call.env, call[0]), toBool(call.env, call[1]));
  return found.empty() ? null(call.env) : string(call.env, found);
}

}  // namespace

void refuseNonFinite(const c10::IValue* results, size_t count) {
  std::string found;
  for (size_t i = 0; i < count && found.empty(); i++) {
    if (results[i].isTensor()) {
      found = ailment(results[i].toTensor(), numericsCheck == 2);
    } else if (results[i].isTensorList()) {
      for (const at::Tensor& tensor : results[i].toTensorVector()) if (found.empty()) found = ailment(tensor, numericsCheck == 2);
    }
  }
  if (!found.empty()) throw std::runtime_error("its result, " + found + ".");
}

void exportNumerics(napi_env env, napi_value exports) {
  define(env, exports, "setNumericsCheck", guarded<setNumericsCheck, 1>);
  define(env, exports, "nonFinite", guarded<nonFinite, 2>);
}

}  // namespace penumbra
