// Who owns the memory of a storage: libtorch, an ArrayBuffer of JavaScript, or several at once.
#pragma once

#include "addon.h"

namespace penumbra {

// The tensor with its elements in row-major order on the CPU, itself where they lie so already. Throws where there are none.
at::Tensor plain(const at::Tensor& tensor);

// Whether the elements lie in row-major order in the CPU's memory, so that reading them is one copy of bytes.
bool liesInOrder(const at::Tensor& tensor);

// Copies the elements in row-major order into memory of exactly their size; false where it has another.
bool readInto(const at::Tensor& tensor, void* target, size_t length);

// A share in the memory of a tensor's storage: it lives as long as the share does, whatever becomes of the storage. Null
// where the storage cannot lose its memory.
std::shared_ptr<const at::DataPtr> shareOf(const at::Tensor& tensor);

// Whether the memory belongs to an ArrayBuffer of one thread.
bool isOfJavaScript(const c10::StorageImpl& storage);

}  // namespace penumbra
