// Opens libtorch where it was found, before the addon is loaded. The addon names libtorch's libraries without a folder,
// and the system takes those that are open already: so one and the same addon serves a libtorch in any folder.
#include "../shared-library.h"

#include <node_api.h>

#include <cstdlib>
#include <vector>

namespace {

/**
 * libtorch's threads spin while they wait for each other, by default so long that beside other busy threads (decoders
 * of photos, other processes) much of the processor's time goes there. libgomp reads this once, when it is loaded.
 */
void spinBriefly() {
#ifndef _WIN32
  if (getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", "5000", 0);
#endif
}

// open(path): throws what the system says where the library cannot be opened.
napi_value open(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value argument = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  if (napi_get_value_string_utf8(env, argument, nullptr, 0, &length) != napi_ok) {
    napi_throw_type_error(env, nullptr, "open() needs the path of a library.");
    return nullptr;
  }
  std::vector<char> path(length + 1);
  napi_get_value_string_utf8(env, argument, path.data(), path.size(), &length);
  spinBriefly();
  std::string problem = penumbra::openLibrary(path.data());
  if (!problem.empty()) napi_throw_error(env, nullptr, problem.c_str());
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function = nullptr;
  napi_create_function(env, "open", NAPI_AUTO_LENGTH, open, nullptr, &function);
  napi_set_named_property(env, exports, "open", function);
  return exports;
}
