// What looks on while libtorch computes: the profiler, and the mode that tells where a wrong gradient comes from.
#pragma once

#include "addon.h"

#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/csrc/autograd/anomaly_mode.h>

#include <optional>

namespace penumbra {

void exportProfiler(napi_env env, napi_value exports);

// --- anomaly mode (anomaly.cpp)
struct Site;

// Stands while an operator or a backward pass runs. In anomaly mode the nodes that come into being meanwhile remember the
// place in JavaScript; else it costs a look at a flag.
class CallSite {
 public:
  CallSite(napi_env env, const std::string& name) {
    if (torch::autograd::AnomalyMode::is_enabled()) note(env, name);
  }
  // Inside a catch block of a backward pass: the error again, with the place where its node was made.
  [[noreturn]] void rethrow() const;

 private:
  void note(napi_env env, const std::string& name);
  std::shared_ptr<Site> site;
  std::optional<c10::DebugInfoGuard> guard;
};

void useAnomalyEngine();  // before the first backward pass of the process
void exportAnomaly(napi_env env, napi_value exports);

// --- what is not finite (numerics.cpp)
inline thread_local int32_t numericsCheck = 0;  // of all results on this thread: 1 refuses NaN, 2 infinite numbers too
void refuseNonFinite(const c10::IValue* results, size_t count);
void exportNumerics(napi_env env, napi_value exports);

}  // namespace penumbra
