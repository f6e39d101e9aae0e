// Elements as bytes: into memory that JavaScript allocates and out of it, and memory that both sides use.
#include "storage.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>

namespace penumbra {
namespace {

using Share = std::shared_ptr<const at::DataPtr>;

void dropShare(void* share) { delete static_cast<Share*>(share); }

// The ArrayBuffer whose memory a storage has.
struct Buffer {
  napi_env env;
  napi_ref reference = nullptr;
  Buffer(napi_env env, napi_value arrayBuffer) : env(env) { check(env, napi_create_reference(env, arrayBuffer, 1, &reference)); }
  ~Buffer() { discard(env, reference); }
};

void dropBuffer(void* buffer) { delete static_cast<Buffer*>(buffer); }

const at::DataPtr& ownerOf(const c10::StorageImpl& storage) {
  const at::DataPtr& memory = storage.data_ptr();
  return memory.get_deleter() == &dropShare ? **static_cast<Share*>(memory.get_context()) : memory;
}

Buffer* bufferOf(const c10::StorageImpl& storage) {
  const at::DataPtr& owner = ownerOf(storage);
  return owner.get_deleter() == &dropBuffer ? static_cast<Buffer*>(owner.get_context()) : nullptr;
}

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

Bytes bytesOf(napi_env env, napi_value array) {
  bool isTyped = false;
  napi_typedarray_type kind = napi_int8_array;
  Bytes result;
  void* data = nullptr;
  check(env, napi_is_typedarray(env, array, &isTyped));
  if (isTyped) check(env, napi_get_typedarray_info(env, array, &kind, &result.length, &data, nullptr, nullptr));
  if (kind != napi_uint8_array) throw TorchError("A Uint8Array was expected.");
  result.data = static_cast<uint8_t*>(data);
  return result;
}

// fromBytes(Uint8Array, shape, dtype): a CPU tensor with a copy of the bytes.
napi_value fromBytes(const Call& call) {
  Bytes bytes = bytesOf(call.env, call[0]);
  at::ScalarType type = scalarType(text(call.env, call[2]));
  std::vector<int64_t> sizes;
  double needed = static_cast<double>(c10::elementSize(type));  // a product of sizes may pass 64 bits
  for (napi_value element : elements(call.env, call[1])) {
    check(call.env, napi_get_value_int64(call.env, element, &sizes.emplace_back()));
    needed *= static_cast<double>(sizes.back());
  }
  if (needed != static_cast<double>(bytes.length)) {
    throw TorchError("The array holds " + std::to_string(bytes.length) + " bytes, but the shape and dtype " + scalarTypeName(type) +
                     " need " + std::to_string(static_cast<uint64_t>(std::min(needed, 1e18))) + ". Pass a shape whose product is the array's length.");
  }
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(type));
  if (bytes.length != 0) std::memcpy(tensor.mutable_data_ptr(), bytes.data, bytes.length);
  return wrap(call.env, std::move(tensor));
}

// byteLength(tensor): how many bytes its elements are.
napi_value byteLength(const Call& call) {
  at::Tensor& tensor = tensorOf(call.env, call[0]);
  if (tensor.is_nested() || tensor.layout() != at::kStrided) {
    throw TorchError("The elements of a " + (tensor.is_nested() ? "nested" : layoutName(tensor.layout())) +
                     " tensor do not lie in rows. Convert it first: toDense() or toPaddedTensor().");
  }
  return number(call.env, static_cast<double>(tensor.numel()) * static_cast<double>(tensor.element_size()));
}

// readBytes(tensor, target, begin): fills the target with the elements' bytes, from byte `begin` on.
napi_value readBytes(const Call& call) {
  const at::Tensor& tensor = tensorOf(call.env, call[0]);
  Bytes target = bytesOf(call.env, call[1]);
  int64_t begin = 0;
  check(call.env, napi_get_value_int64(call.env, call[2], &begin));
  if (begin == 0 && readInto(tensor, target.data, target.length)) return nullptr;
  at::Tensor source = plain(tensor);
  if (begin < 0 || static_cast<size_t>(begin) > source.nbytes() || target.length > source.nbytes() - begin) throw TorchError("readBytes() goes beyond the tensor.");
  std::memmove(target.data, static_cast<const uint8_t*>(source.const_data_ptr()) + begin, target.length);
  return nullptr;
}

// writeBytes(tensor, source, begin): the source's bytes become the elements of a contiguous CPU tensor, from byte `begin` on.
napi_value writeBytes(const Call& call) {
  at::Tensor& target = tensorOf(call.env, call[0]);
  Bytes source = bytesOf(call.env, call[1]);
  int64_t begin = 0;
  check(call.env, napi_get_value_int64(call.env, call[2], &begin));
  bool isPlain = target.device().is_cpu() && target.layout() == at::kStrided && target.is_contiguous();
  if (!isPlain || begin < 0 || static_cast<size_t>(begin) > target.nbytes() || source.length > target.nbytes() - begin) {
    throw TorchError("writeBytes() goes beyond a contiguous CPU tensor.");
  }
  if (source.length != 0) std::memcpy(static_cast<uint8_t*>(target.mutable_data_ptr()) + begin, source.data, source.length);
  return nullptr;
}

// The memory of the storage moves into a buffer of its size.
void moveInto(napi_env env, c10::StorageImpl& storage, napi_value arrayBuffer) {
  void* data = nullptr;
  size_t length = 0;
  check(env, napi_get_arraybuffer_info(env, arrayBuffer, &data, &length));
  if (length != storage.nbytes()) throw TorchError("shareMemory() was given a buffer of another size.");
  std::memcpy(data, storage.data(), length);
  storage.set_data_ptr_noswap(at::DataPtr(data, new Buffer(env, arrayBuffer), dropBuffer, at::kCPU));
}

// shareMemory(tensor, allocate) -> {buffer, byteOffset}: where the elements lie, in memory that `allocate(bytes)` gave.
napi_value shareMemory(const Call& call) {
  at::Tensor tensor = tensorOf(call.env, call[0]);
  if (!liesInOrder(tensor) || !tensor.has_storage()) {
    throw TorchError("Only a contiguous CPU tensor can be read without a copy. Use toTyped(), which copies.");
  }
  c10::StorageImpl& storage = *tensor.storage().unsafeGetStorageImpl();
  freeGarbage(call.env);
  napi_value buffer, size;
  if (Buffer* shown = bufferOf(storage)) {
    check(call.env, napi_get_reference_value(call.env, shown->reference, &buffer));
  } else {
    if (!storage.resizable()) {
      throw TorchError("The tensor's memory is a mapped file's, or was given to another thread: it cannot move into an array. Use toTyped(), which copies.");
    }
    storage.mutable_data();  // a lazy clone gets memory of its own
    size = number(call.env, static_cast<double>(storage.nbytes()));
    check(call.env, napi_call_function(call.env, undefined(call.env), call[1], 1, &size, &buffer));
    if (storage.nbytes() != 0) moveInto(call.env, storage, buffer);
  }
  return object(call.env, {{"buffer", buffer}, {"byteOffset", number(call.env, static_cast<double>(tensor.storage_offset() * tensor.element_size()))}});
}

}  // namespace

at::Tensor plain(const at::Tensor& tensor) {
  // A tensor of zeros that autograd makes has no memory.
  at::Tensor given = tensor._is_zerotensor() ? at::zeros(tensor.sizes(), tensor.options()) : tensor.detach();
  return given.to(at::kCPU).contiguous().resolve_conj().resolve_neg();
}

namespace {

bool overlaps(const at::Tensor& tensor, const void* target, size_t length) {
  auto begin = reinterpret_cast<uintptr_t>(tensor.storage().data()), there = reinterpret_cast<uintptr_t>(target);
  return there < begin + tensor.storage().nbytes() && begin < there + length;
}

}  // namespace

bool liesInOrder(const at::Tensor& tensor) {
  return tensor.layout() == at::kStrided && !tensor.is_nested() && tensor.device().is_cpu() && tensor.is_contiguous() && !tensor.is_conj() && !tensor.is_neg() &&
         !tensor._is_zerotensor();
}

bool readInto(const at::Tensor& tensor, void* target, size_t length) {
  at::Tensor source = tensor._is_zerotensor() ? plain(tensor) : tensor.detach();
  if (length != source.nbytes() || length == 0) return length == 0;
  if (liesInOrder(source)) {
    std::memmove(target, source.const_data_ptr(), length);  // the target may be the tensor's own memory
  } else if (source.is_quantized() || overlaps(source, target, length)) {
    std::memcpy(target, plain(source).const_data_ptr(), length);
  } else {
    at::NoGradGuard guard;
    at::from_blob(target, source.sizes(), source.options().device(at::kCPU)).copy_(source);
  }
  return true;
}

std::shared_ptr<const at::DataPtr> shareOf(const at::Tensor& tensor) {
  if (!tensor.has_storage() || !tensor.storage().resizable() || tensor.storage().nbytes() == 0) return nullptr;
  c10::StorageImpl& storage = *tensor.storage().unsafeGetStorageImpl();
  if (storage.data_ptr().get_deleter() != &dropShare) {
    auto owner = std::make_shared<const at::DataPtr>(storage.set_data_ptr(at::DataPtr()));
    storage.set_data_ptr_noswap(at::DataPtr(owner->get(), new Share(owner), dropShare, owner->device()));
  }
  return *static_cast<Share*>(storage.data_ptr().get_context());
}

bool isOfJavaScript(const c10::StorageImpl& storage) { return bufferOf(storage) != nullptr; }

void exportBytes(napi_env env, napi_value exports) {
  define(env, exports, "fromBytes", guarded<fromBytes, 3>);
  define(env, exports, "byteLength", guarded<byteLength, 1>);
  define(env, exports, "readBytes", guarded<readBytes, 3>);
  define(env, exports, "writeBytes", guarded<writeBytes, 3>);
  define(env, exports, "shareMemory", guarded<shareMemory, 2>);
}

}  // namespace penumbra
