// Tensors and generators as JavaScript objects: wrapping, disposal, properties, and typed arrays in and out.
#include "addon.h"

#include <ATen/ops/empty.h>

#include <cstring>

namespace penumbra {
namespace {

void forget(node_api_basic_env env, Environment* state, Handle* handle) {
  if (!handle->tensor.defined()) return;
  handle->tensor.reset();
  if (state != nullptr) {
    state->live -= 1;
    state->liveBytes -= handle->external;
  }
  if (handle->external != 0) {
    int64_t adjusted;
    napi_adjust_external_memory(env, -handle->external, &adjusted);
    handle->external = 0;
  }
}

void finalize(node_api_basic_env env, void* data, void* hint) {
  auto* handle = static_cast<Handle*>(data);
  void* state = nullptr;
  if (napi_get_instance_data(env, &state) != napi_ok) state = nullptr;
  forget(env, static_cast<Environment*>(state), handle);
  delete handle;
}

napi_value instance(napi_env env, napi_ref classReference, Handle* handle) {
  napi_value constructor, object;
  check(env, napi_get_reference_value(env, classReference, &constructor));
  check(env, napi_new_instance(env, constructor, 0, nullptr, &object));
  check(env, napi_wrap(env, object, handle, finalize, nullptr, nullptr));
  return object;
}

int64_t ownedBytes(const at::Tensor& tensor) {
  if (!tensor.has_storage() || tensor.storage().use_count() > 1 || !tensor.device().is_cpu()) return 0;
  return static_cast<int64_t>(tensor.storage().nbytes());
}

}  // namespace

napi_value wrap(napi_env env, at::Tensor tensor) {
  if (!tensor.defined()) return null(env);
  Environment& state = environment(env);
  auto* handle = new Handle{Magic::Tensor, state.creator, ownedBytes(tensor), std::move(tensor), {}};
  state.live += 1;
  state.liveBytes += handle->external;
  napi_value object = instance(env, state.tensorClass, handle);
  if (handle->external != 0) {
    int64_t adjusted;
    napi_adjust_external_memory(env, handle->external, &adjusted);
  }
  return object;
}

napi_value wrap(napi_env env, at::Generator generator) {
  return instance(env, environment(env).generatorClass, new Handle{Magic::Generator, -1, 0, {}, std::move(generator)});
}

Handle* handleOf(napi_env env, napi_value value) {
  void* data = nullptr;
  if (value == nullptr || napi_unwrap(env, value, &data) != napi_ok || data == nullptr) return nullptr;
  auto* handle = static_cast<Handle*>(data);
  return handle->magic == Magic::Tensor || handle->magic == Magic::Generator ? handle : nullptr;
}

at::Tensor& alive(Handle* handle) {
  if (!handle->tensor.defined()) {
    std::string maker = handle->creator >= 0 ? "made by " + packetName(handle->creator) : "not made by an operator";
    throw TorchError("A disposed tensor was used (" + maker +
                     "). It was released by dispose() or at the end of its scope: return it from the scope, or keep() it.");
  }
  return handle->tensor;
}

at::Tensor& tensorOf(napi_env env, napi_value value) {
  Handle* handle = handleOf(env, value);
  if (handle == nullptr || handle->magic != Magic::Tensor) throw TorchError("Expected a Tensor.");
  return alive(handle);
}

at::Generator& generatorOf(napi_env env, napi_value value) {
  Handle* handle = handleOf(env, value);
  if (handle == nullptr || handle->magic != Magic::Generator) throw TorchError("Expected a Generator.");
  return handle->generator;
}

namespace {

napi_value dispose(const Call& call) {
  Handle* handle = handleOf(call.env, call[0]);
  if (handle != nullptr && handle->magic == Magic::Tensor) forget(call.env, &environment(call.env), handle);
  return nullptr;
}

napi_value isTensor(const Call& call) {
  Handle* handle = handleOf(call.env, call[0]);
  return boolean(call.env, handle != nullptr && handle->magic == Magic::Tensor);
}

napi_value isDisposed(const Call& call) {
  Handle* handle = handleOf(call.env, call[0]);
  return boolean(call.env, handle == nullptr || !handle->tensor.defined());
}

napi_value alias(const Call& call) { return wrap(call.env, tensorOf(call.env, call[0])); }

napi_value shape(const Call& call) {
  at::IntArrayRef sizes = tensorOf(call.env, call[0]).sizes();
  napi_value result;
  check(call.env, napi_create_array_with_length(call.env, sizes.size(), &result));
  for (size_t i = 0; i < sizes.size(); i++) {
    check(call.env, napi_set_element(call.env, result, i, number(call.env, static_cast<double>(sizes[i]))));
  }
  return result;
}

napi_value dtype(const Call& call) {
  return string(call.env, scalarTypeName(tensorOf(call.env, call[0]).scalar_type()));
}
napi_value deviceName(const Call& call) { return string(call.env, tensorOf(call.env, call[0]).device().str()); }
napi_value numel(const Call& call) {
  return number(call.env, static_cast<double>(tensorOf(call.env, call[0]).numel()));
}
napi_value ndim(const Call& call) {
  return number(call.env, static_cast<double>(tensorOf(call.env, call[0]).dim()));
}
napi_value itemSize(const Call& call) {
  return number(call.env, static_cast<double>(tensorOf(call.env, call[0]).element_size()));
}
napi_value creator(const Call& call) {
  Handle* handle = handleOf(call.env, call[0]);
  return handle == nullptr || handle->creator < 0 ? null(call.env) : string(call.env, packetName(handle->creator));
}

// The bytes of a typed array, DataView, Buffer or ArrayBuffer.
std::pair<void*, size_t> bytesOf(napi_env env, napi_value value) {
  bool is = false;
  void* data = nullptr;
  size_t length = 0;
  check(env, napi_is_typedarray(env, value, &is));
  if (is) {
    napi_typedarray_type type;
    check(env, napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
    static const size_t widths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    if (static_cast<size_t>(type) >= sizeof(widths) / sizeof(*widths)) throw TorchError("Unknown kind of typed array.");
    return {data, length * widths[type]};
  }
  check(env, napi_is_arraybuffer(env, value, &is));
  if (is) {
    check(env, napi_get_arraybuffer_info(env, value, &data, &length));
    return {data, length};
  }
  throw TorchError("Expected a typed array or an ArrayBuffer.");
}

std::vector<int64_t> sizesOf(napi_env env, napi_value value) {
  std::vector<int64_t> sizes;
  for (napi_value element : elements(env, value)) {
    double size = -1;
    if (napi_get_value_double(env, element, &size) != napi_ok || size < 0 || size != static_cast<double>(static_cast<int64_t>(size))) {
      throw TorchError("A shape is an array of whole numbers from 0 on.");
    }
    sizes.push_back(static_cast<int64_t>(size));
  }
  return sizes;
}

// fromBytes(typedArray, shape, dtype): a CPU tensor with a copy of the bytes.
napi_value fromBytes(const Call& call) {
  auto [data, length] = bytesOf(call.env, call[0]);
  at::ScalarType type = scalarType(text(call.env, call[2]));
  std::vector<int64_t> sizes = sizesOf(call.env, call[1]);
  size_t needed = c10::elementSize(type);
  for (int64_t size : sizes) needed *= static_cast<size_t>(size);
  if (needed != length) {
    throw TorchError("The array holds " + std::to_string(length) + " bytes, but the shape and dtype " + scalarTypeName(type) +
                     " need " + std::to_string(needed) + ". Pass a shape whose product is the array's length.");
  }
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(type));
  if (length != 0) std::memcpy(tensor.mutable_data_ptr(), data, length);
  return wrap(call.env, std::move(tensor));
}

// toBytes(tensor): an ArrayBuffer with a copy of the elements in row-major order.
napi_value toBytes(const Call& call) {
  at::Tensor tensor = tensorOf(call.env, call[0]).detach().to(at::kCPU).contiguous().resolve_conj().resolve_neg();
  void* data = nullptr;
  napi_value buffer;
  check(call.env, napi_create_arraybuffer(call.env, tensor.nbytes(), &data, &buffer));
  if (tensor.nbytes() != 0) std::memcpy(data, tensor.const_data_ptr(), tensor.nbytes());
  return buffer;
}

// shareBytes(tensor): an ArrayBuffer over the tensor's own memory, which lives as long as the buffer does.
napi_value shareBytes(const Call& call) {
  at::Tensor& tensor = tensorOf(call.env, call[0]);
  if (!tensor.device().is_cpu() || !tensor.is_contiguous()) {
    throw TorchError("Only a contiguous CPU tensor can be read without a copy. Use toTyped(), which copies.");
  }
  auto* keeper = new at::Tensor(tensor.detach());
  napi_value buffer;
  check(call.env, napi_create_external_arraybuffer(
                      call.env, keeper->mutable_data_ptr(), keeper->nbytes(),
                      [](node_api_basic_env, void*, void* hint) { delete static_cast<at::Tensor*>(hint); }, keeper, &buffer));
  return buffer;
}

napi_value liveTensors(const Call& call) { return number(call.env, static_cast<double>(environment(call.env).live)); }
napi_value liveBytes(const Call& call) {
  return number(call.env, static_cast<double>(environment(call.env).liveBytes));
}

}  // namespace

void exportHandles(napi_env env, napi_value exports) {
  define(env, exports, "dispose", guarded<dispose>);
  define(env, exports, "isTensor", guarded<isTensor>);
  define(env, exports, "isDisposed", guarded<isDisposed>);
  define(env, exports, "alias", guarded<alias>);
  define(env, exports, "shape", guarded<shape>);
  define(env, exports, "dtype", guarded<dtype>);
  define(env, exports, "device", guarded<deviceName>);
  define(env, exports, "numel", guarded<numel>);
  define(env, exports, "ndim", guarded<ndim>);
  define(env, exports, "itemSize", guarded<itemSize>);
  define(env, exports, "creator", guarded<creator>);
  define(env, exports, "fromBytes", guarded<fromBytes>);
  define(env, exports, "toBytes", guarded<toBytes>);
  define(env, exports, "shareBytes", guarded<shareBytes>);
  define(env, exports, "liveTensors", guarded<liveTensors>);
  define(env, exports, "liveBytes", guarded<liveBytes>);
}

}  // namespace penumbra
