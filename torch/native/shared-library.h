// Opening a shared library by its path, on every system in the same words.
#pragma once

#include <string>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace penumbra {

/**
 * Opens the library for as long as the process lives. Its symbols serve the libraries that name it; `forAll` offers them
 * to every library that is opened later. Returns why it could not be opened; empty where it was.
 */
inline std::string openLibrary(const std::string& path, [[maybe_unused]] bool forAll = false) {
#ifdef _WIN32
  if (LoadLibraryExA(path.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH) != nullptr) return "";
  return "Windows answers with error " + std::to_string(GetLastError()) + " (" + path + ")";
#else
  if (dlopen(path.c_str(), RTLD_NOW | (forAll ? RTLD_GLOBAL : RTLD_LOCAL)) != nullptr) return "";
  return dlerror();
#endif
}

/** A function that a library which was opened for all exports, by its name there; nullptr where none does, and on Windows. */
inline void* symbolOf([[maybe_unused]] const char* name) {
#ifdef _WIN32
  return nullptr;
#else
  return dlsym(RTLD_DEFAULT, name);
#endif
}

/** The file that the code at this address was loaded from. */
inline std::string libraryOf(const void* address) {
#ifdef _WIN32
  HMODULE module = nullptr;
  char path[MAX_PATH];
  constexpr DWORD byAddress = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  if (GetModuleHandleExA(byAddress, static_cast<LPCSTR>(address), &module) == 0) return "";
  return std::string(path, GetModuleFileNameA(module, path, MAX_PATH));
#else
  Dl_info info;
  return dladdr(address, &info) != 0 ? info.dli_fname : "";
#endif
}

}  // namespace penumbra
