// Anomaly mode: every node of the graph remembers the operator and the lines of JavaScript that made it, and the error of a
// backward pass says them.
#include "observers.h"

#include <torch/csrc/autograd/engine.h>

namespace penumbra {

// A call from JavaScript, among libtorch's thread-local information, so that other threads of a backward pass have it too.
struct Site : c10::DebugInfoBase {
  std::string name, lines;
  std::weak_ptr<Site> self;
  std::shared_ptr<const Site> failed;  // of a backward pass: where the node was made that threw
};

namespace {

using torch::autograd::AnomalyMode;

c10::DebugInfoKind siteKind() { return c10::DebugInfoKind::PRODUCER_INFO; }  // which nothing else uses

// The function of this thread's JavaScript that says where it stands; null before the mode was first used.
thread_local napi_ref whereCalled = nullptr;

// Sites are pushed by CallSite alone.
std::shared_ptr<Site> currentSite() {
  auto* found = static_cast<Site*>(c10::ThreadLocalDebugInfo::get(siteKind()));
  return found == nullptr ? nullptr : found->self.lock();
}

// What libtorch keeps beside a node in this mode; by itself it would hold lines of C++.
struct Metadata : torch::autograd::AnomalyMetadata {
  std::shared_ptr<const Site> made;
  void store_stack() override { made = currentSite(); }
  // Called where the node has thrown, or given NaN.
  void print_stack(const std::string&) override {
    if (auto site = currentSite(); site != nullptr && site->failed == nullptr) site->failed = made;
  }
};

// libtorch's engine, which nothing but the metadata is changed of.
struct AnomalyEngine : torch::autograd::Engine {
  std::unique_ptr<torch::autograd::AnomalyMetadata> make_anomaly_metadata() override { return std::make_unique<Metadata>(); }
  ~AnomalyEngine() override { stop(); }
};

torch::autograd::Engine& anomalyEngine() {
  static AnomalyEngine engine;
  return engine;
}

// setAnomalyMode(enabled, checkNan, whereCalled) -> {enabled, checkNan} before
napi_value setAnomalyMode(const Call& call) {
  napi_value before = object(call.env, {{"enabled", boolean(call.env, AnomalyMode::is_enabled())},
                                        {"checkNan", boolean(call.env, AnomalyMode::should_check_nan())}});
  if (whereCalled == nullptr) check(call.env, napi_create_reference(call.env, call[2], 1, &whereCalled));
  AnomalyMode::set_enabled(toBool(call.env, call[0]), toBool(call.env, call[1]));
  return before;
}

}  // namespace

void useAnomalyEngine() { torch::autograd::set_default_engine_stub(anomalyEngine); }

void CallSite::note(napi_env env, const std::string& name) {
  if (whereCalled == nullptr) return;  // another thread has switched the mode on
  napi_value function, lines;
  check(env, napi_get_reference_value(env, whereCalled, &function));
  check(env, napi_call_function(env, undefined(env), function, 0, nullptr, &lines));
  site = std::make_shared<Site>();
  site->name = name;
  site->lines = text(env, lines);
  site->self = site;
  guard.emplace(siteKind(), site);
}

void CallSite::rethrow() const {
  if (site == nullptr || site->failed == nullptr) throw;
  const Site& made = *site->failed;
  auto located = [&](const std::string& message) {
    return TorchError(message + "\nIts forward call was " + made.name + "\n" + made.lines, made.name);
  };
  try {
    throw;
  } catch (const JavaScriptError&) {
    throw;
  } catch (const c10::Error& error) {
    throw located(readable(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw located(readable(error.what()));
  }
}

void exportAnomaly(napi_env env, napi_value exports) { define(env, exports, "setAnomalyMode", guarded<setAnomalyMode, 3>); }

}  // namespace penumbra
