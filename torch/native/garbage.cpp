// References to JavaScript values whose owners died where Node-API must not be called: in a finalizer, or on another thread.
#include "addon.h"

#include <algorithm>
#include <atomic>
#include <mutex>

namespace penumbra {
namespace {

std::mutex mutex;
std::vector<std::pair<napi_env, napi_ref>> garbage;
std::atomic<bool> isThereAny = false;  // so that the usual call takes no lock

}  // namespace

void discard(napi_env env, napi_ref reference) {
  if (reference == nullptr) return;
  std::lock_guard<std::mutex> lock(mutex);
  garbage.emplace_back(env, reference);
  isThereAny = true;
}

void freeGarbage(napi_env env) {
  if (!isThereAny) return;
  std::lock_guard<std::mutex> lock(mutex);
  auto mine = std::partition(garbage.begin(), garbage.end(), [&](const auto& entry) { return entry.first != env; });
  for (auto entry = mine; entry != garbage.end(); ++entry) napi_delete_reference(env, entry->second);
  garbage.erase(mine, garbage.end());
  isThereAny = !garbage.empty();
}

void forgetGarbage(napi_env env) {
  std::lock_guard<std::mutex> lock(mutex);
  garbage.erase(std::remove_if(garbage.begin(), garbage.end(), [&](const auto& entry) { return entry.first == env; }), garbage.end());
  isThereAny = !garbage.empty();
}

}  // namespace penumbra
