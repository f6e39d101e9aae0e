// The module: registration of the JavaScript classes, errors on their way out, and the table of exports.
#include "aot.h"
#include "cuda-graph.h"
#include "observers.h"

#include <c10/util/Exception.h>

#include <climits>
#include <cstdlib>
#include <iterator>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace penumbra {

Environment& environment(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

JavaScriptError::JavaScriptError(napi_env env) : std::runtime_error("JavaScript exception"), env(env) {
  napi_value error;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending || napi_get_and_clear_last_exception(env, &error) != napi_ok) {
    napi_value message;
    napi_create_string_utf8(env, "A call of Node-API failed.", NAPI_AUTO_LENGTH, &message);
    napi_create_error(env, nullptr, message, &error);
  }
  napi_create_reference(env, error, 1, &reference);
}

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);  // first: the next call of any function replaces it
  std::string message = info != nullptr && info->error_message != nullptr ? info->error_message : "";
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  bool isException = pending || status == napi_pending_exception || status == napi_cannot_run_js || status == napi_closing;
  if (isException || message.empty()) throw JavaScriptError(env);
  throw TorchError("A value of another type was needed: " + message + ".");
}

void throwTorchError(napi_env env, const std::string& message, const std::string& op, const std::string& schema) noexcept {
  napi_value constructor = nullptr, error = nullptr;
  napi_value values[3] = {string(env, message), string(env, op), string(env, schema)};
  napi_ref reference = environment(env).errorClass;
  if (reference != nullptr && napi_get_reference_value(env, reference, &constructor) == napi_ok &&
      napi_new_instance(env, constructor, 3, values, &error) == napi_ok) {
    napi_throw(env, error);
  } else {
    napi_throw_error(env, nullptr, message.c_str());
  }
}

namespace {

// Large tensors come and go at every step, and glibc would map and unmap each of them: page faults were a tenth of a
// training step (measured on a UNet's level). So it keeps the memory and hands it out again, unless the user has set it.
void keepFreedMemory() {
#ifdef __GLIBC__
  if (std::getenv("MALLOC_MMAP_THRESHOLD_") != nullptr || std::getenv("MALLOC_TRIM_THRESHOLD_") != nullptr) return;
  static const bool set = mallopt(M_MMAP_THRESHOLD, 1 << 30) != 0 && mallopt(M_TRIM_THRESHOLD, INT_MAX) != 0;
  (void)set;
#endif
}

// registerClasses(Tensor, Generator, TorchError, slot, maker, warn): the classes to make, the symbols of Tensor's properties,
// and the function that hears of warnings.
napi_value registerClasses(const Call& call) {
  Environment& state = environment(call.env);
  napi_ref* references[] = {&state.tensorClass, &state.generatorClass, &state.errorClass, &state.slotKey, &state.makerKey, &state.warn};
  for (size_t i = 0; i < std::size(references); i++) check(call.env, napi_create_reference(call.env, call[i], 1, references[i]));
  return nullptr;
}

}  // namespace

void throwToJavaScript(napi_env env) noexcept {
  try {
    throw;
  } catch (const JavaScriptError& error) {
    napi_value value = nullptr;
    napi_get_reference_value(error.env, error.reference, &value);
    napi_delete_reference(error.env, error.reference);
    napi_throw(env, value);
  } catch (const TorchError& error) {
    throwTorchError(env, error.what(), error.op, error.schema);
  } catch (const c10::Error& error) {
    throwTorchError(env, readable(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throwTorchError(env, error.what());
  } catch (...) {
    throwTorchError(env, "libtorch threw something that is no exception.");
  }
}

void define(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, &environment(env), &function));
  check(env, napi_set_named_property(env, exports, name, function));
}

}  // namespace penumbra

NAPI_MODULE_INIT() {
  using namespace penumbra;
  try {
    cudaProblem();
    completeOperators();
    keepFreedMemory();
    useAnomalyEngine();
    auto* state = new Environment();
    napi_set_instance_data(
        env, state,
        [](node_api_basic_env, void* data, void* hint) {
          delete static_cast<Environment*>(data);
          forgetGarbage(static_cast<napi_env>(hint));  // a later environment may have the same address
        },
        env);
    collectWarnings(*state);
    define(env, exports, "registerClasses", guarded<registerClasses, 6>);
    exportHandles(env, exports);
    exportBytes(env, exports);
    exportThreads(env, exports);
    exportSchemas(env, exports);
    exportDispatch(env, exports);
    exportGuards(env, exports);
    exportAutograd(env, exports);
    exportFunction(env, exports);
    exportSystem(env, exports);
    exportProfiler(env, exports);
    exportAnomaly(env, exports);
    exportNumerics(env, exports);
    exportAot(env, exports);
    exportCudaGraph(env, exports);
    exportDistributed(env, exports);
  } catch (...) {
    throwToJavaScript(env);
  }
  return exports;
}
