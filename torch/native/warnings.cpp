// libtorch's warnings, which would go to stderr with places in C++, on their way to JavaScript.
#include "addon.h"

#include <c10/util/Exception.h>

#include <mutex>
#include <unordered_set>

namespace penumbra {
namespace {

// As in Python each text comes once in a process. There may be shapes in it, so that not all can be remembered for ever.
bool isNew(const std::string& text) {
  static std::mutex mutex;
  static std::unordered_set<std::string> seen;
  constexpr size_t most = 10000;
  std::lock_guard<std::mutex> lock(mutex);
  if (seen.size() == most) seen.clear();
  return seen.insert(text).second;
}

// libtorch has one handler for each thread: this is the one of a thread of JavaScript. What the autograd engine's own
// threads warn of, the engine repeats on the thread that called it. JavaScript is not called from here, amid libtorch's
// work, but at the end of the call.
struct Collector : c10::WarningHandler {
  explicit Collector(std::vector<std::string>& texts) : texts(texts) { c10::WarningUtils::set_warning_handler(this); }
  ~Collector() override {
    if (c10::WarningUtils::get_warning_handler() == this) c10::WarningUtils::set_warning_handler(nullptr);
  }
  void process(const c10::Warning& warning) override {
    if (isNew(warning.msg())) texts.push_back(warning.msg());
  }
  std::vector<std::string>& texts;
};

}  // namespace

void collectWarnings(Environment& state) { state.warningHandler = std::make_shared<Collector>(state.warnings); }

void emitWarnings(napi_env env, Environment& state) noexcept {
  std::vector<std::string> texts = std::move(state.warnings);
  state.warnings.clear();
  napi_value emit, ignored;
  if (napi_get_reference_value(env, state.warn, &emit) != napi_ok) return;
  for (const std::string& message : texts) {
    napi_value argument = string(env, message);
    // Where this fails, the thread is being ended.
    if (napi_call_function(env, emit, emit, 1, &argument, &ignored) != napi_ok) napi_get_and_clear_last_exception(env, &ignored);
  }
}

}  // namespace penumbra
