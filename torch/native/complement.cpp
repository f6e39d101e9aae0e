// Operators that newer versions have in the dispatcher and older ones (up to 2.6 at least) only as methods of the C++
// tensor. They are registered here under the newer schemas, so that one typed interface serves all versions.
#include "addon.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

namespace penumbra {

void completeOperators() {
  // Registrations live as long as the Library object, and the table of operators as long as the process.
  static torch::Library* const library = [] {
    auto* fragment = new torch::Library(torch::Library::FRAGMENT, "aten", std::nullopt, __FILE__, __LINE__);
    auto define = [&](const char* name, const char* overload, const char* schema, auto&& kernel) {
      if (!c10::Dispatcher::singleton().findSchema({name, overload})) fragment->def(schema, kernel);
    };
    define("aten::dim", "", "dim(Tensor self) -> int", [](const at::Tensor& self) -> int64_t { return self.dim(); });
    define("aten::get_device", "", "get_device(Tensor self) -> int",
           [](const at::Tensor& self) -> int64_t { return self.get_device(); });
    define("aten::storage_offset", "", "storage_offset(Tensor self) -> int",
           [](const at::Tensor& self) -> int64_t { return self.storage_offset(); });
    define("aten::is_contiguous", "", "is_contiguous(Tensor self) -> bool",
           [](const at::Tensor& self) { return self.is_contiguous(); });
    define("aten::is_contiguous", "memory_format", "is_contiguous.memory_format(Tensor self, MemoryFormat memory_format) -> bool",
           [](const at::Tensor& self, at::MemoryFormat format) { return self.is_contiguous(format); });
    return fragment;
  }();
  (void)library;
}

}  // namespace penumbra
