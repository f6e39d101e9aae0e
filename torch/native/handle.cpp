// Tensors and generators as JavaScript objects: slots, disposal and properties.
#include "addon.h"

namespace penumbra {
namespace {

// Marks our Generators, so that no other addon's objects are mistaken for them.
constexpr napi_type_tag generatorTag = {0x70656e756d627261, 0x67656e657261746f};

int64_t ownedBytes(const at::Tensor& tensor) {
  if (!tensor.has_storage() || tensor.storage().use_count() > 1) return 0;
  return static_cast<int64_t>(tensor.storage().nbytes());
}

void release(node_api_basic_env env, Environment& state, int32_t slot) {
  Slot* found = slotAt(state, slot);
  if (found == nullptr) return;
  Slot& entry = *found;
  state.live -= 1;
  state.liveBytes -= entry.bytes;
  if (entry.external != 0) {
    int64_t adjusted;
    napi_adjust_external_memory(env, -entry.external, &adjusted);
    entry.external = 0;
  }
  entry.generation += 1;
  at::Tensor last = std::move(entry.tensor);  // its end may free others: the slot is in order before
  state.empty.push_back(slot);
}

}  // namespace

int32_t insert(Environment& state, at::Tensor tensor) {
  int32_t slot;
  if (state.empty.empty()) {
    slot = static_cast<int32_t>(state.slots.size());
    state.slots.emplace_back();
  } else {
    slot = state.empty.back();
    state.empty.pop_back();
  }
  Slot& entry = state.slots[slot];
  entry.bytes = ownedBytes(tensor);
  entry.tensor = std::move(tensor);
  state.live += 1;
  state.liveBytes += entry.bytes;
  return slot;
}

napi_value wrap(napi_env env, at::Tensor tensor) {
  if (!tensor.defined()) return null(env);
  Environment& state = environment(env);
  int32_t slot = insert(state, std::move(tensor));
  napi_value constructor, object, arguments[2] = {number(env, slot), number(env, state.maker)};
  check(env, napi_get_reference_value(env, state.tensorClass, &constructor));
  check(env, napi_new_instance(env, constructor, 2, arguments, &object));
  return object;
}

void attach(napi_env env, napi_value object, at::Generator generator) {
  auto finalize = [](node_api_basic_env, void* data, void*) { delete static_cast<at::Generator*>(data); };
  check(env, napi_type_tag_object(env, object, &generatorTag));
  check(env, napi_wrap(env, object, new at::Generator(std::move(generator)), finalize, nullptr, nullptr));
}

napi_value wrap(napi_env env, at::Generator generator) {
  napi_value constructor, object;
  check(env, napi_get_reference_value(env, environment(env).generatorClass, &constructor));
  check(env, napi_new_instance(env, constructor, 0, nullptr, &object));
  attach(env, object, std::move(generator));
  return object;
}

int32_t slotOf(napi_env env, napi_value value) {
  napi_value key, property;
  int32_t slot = 0;
  check(env, napi_get_reference_value(env, environment(env).slotKey, &key));
  if (napi_get_property(env, value, key, &property) != napi_ok) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (pending) throw JavaScriptError(env);
    return NOT_A_TENSOR;
  }
  if (napi_get_value_int32(env, property, &slot) != napi_ok) return NOT_A_TENSOR;
  return slotAt(environment(env), slot) != nullptr ? slot : 0;
}

void throwDisposed(napi_env env, napi_value tensor) {
  napi_value key, property;
  int32_t maker = -1;
  if (napi_get_reference_value(env, environment(env).makerKey, &key) == napi_ok &&
      napi_get_property(env, tensor, key, &property) == napi_ok) {
    napi_get_value_int32(env, property, &maker);
  }
  throw TorchError("A disposed tensor was used (" + (maker >= 0 ? "made by " + packetName(maker) : "not made by an operator") +
                   "). It was released by dispose() or at the end of its scope: return it from the scope, or keep() it.");
}

at::Tensor& tensorOf(napi_env env, napi_value value) {
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  int32_t slot = type == napi_object ? slotOf(env, value) : NOT_A_TENSOR;
  if (slot == NOT_A_TENSOR) throw TorchError("Expected a Tensor.");
  if (slot == 0) throwDisposed(env, value);
  return environment(env).slots[slot].tensor;
}

at::Generator* generatorIn(napi_env env, napi_value value) {
  bool isOurs = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(env, value, &generatorTag, &isOurs) != napi_ok || !isOurs) return nullptr;
  return napi_unwrap(env, value, &data) == napi_ok ? static_cast<at::Generator*>(data) : nullptr;
}

at::Generator& generatorOf(napi_env env, napi_value value) {
  at::Generator* generator = generatorIn(env, value);
  if (generator == nullptr) throw TorchError("Expected a Generator.");
  return *generator;
}

namespace {

// free(slots, count): empties the slots whose numbers an Int32Array begins with.
napi_value freeSlots(const Call& call) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  uint32_t count = 0;
  check(call.env, napi_get_typedarray_info(call.env, call[0], &type, &length, &data, nullptr, nullptr));
  check(call.env, napi_get_value_uint32(call.env, call[1], &count));
  if (type != napi_int32_array || count > length) throw TorchError("free() needs an Int32Array of at least `count` slots.");
  for (uint32_t i = 0; i < count; i++) release(call.env, *call.state, static_cast<int32_t*>(data)[i]);
  freeGarbage(call.env);
  return nullptr;
}

void finalizeOwned(node_api_basic_env env, void* data, void*) {
  void* state = nullptr;
  if (napi_get_instance_data(env, &state) != napi_ok || state == nullptr) return;
  auto packed = reinterpret_cast<uintptr_t>(data);
  auto slot = static_cast<int32_t>(packed & 0xffffffff);
  auto& slots = static_cast<Environment*>(state)->slots;
  if (slots[slot].generation == static_cast<uint32_t>(packed >> 32)) release(env, *static_cast<Environment*>(state), slot);
}

// own(tensor, slot): leaves the slot to the garbage collector, for a tensor that no scope will release.
napi_value own(const Call& call) {
  int32_t slot = toInteger(call.env, call[1]);
  Slot* found = slotAt(*call.state, slot);
  if (found == nullptr) return nullptr;
  Slot& entry = *found;
  static_assert(sizeof(void*) == 8, "a slot and its generation share a pointer");
  void* packed = reinterpret_cast<void*>(static_cast<uintptr_t>(entry.generation) << 32 | static_cast<uint32_t>(slot));
  check(call.env, napi_add_finalizer(call.env, call[0], packed, finalizeOwned, nullptr, nullptr));
  if (entry.bytes != 0 && entry.external == 0) {
    int64_t adjusted;
    entry.external = entry.bytes;
    napi_adjust_external_memory(call.env, entry.external, &adjusted);
  }
  return nullptr;
}

napi_value shape(const Call& call) {
  at::IntArrayRef sizes = tensorOf(call.env, call[0]).sizes();
  return list(call.env, sizes.size(), [&](size_t i) { return number(call.env, sizes[i]); });
}

napi_value dtype(const Call& call) {
  return string(call.env, scalarTypeName(tensorOf(call.env, call[0]).scalar_type()));
}
napi_value deviceName(const Call& call) { return string(call.env, tensorOf(call.env, call[0]).device().str()); }
// layout(tensor): "nested" for those of parts with different sizes, which libtorch calls strided.
napi_value layoutOf(const Call& call) {
  at::Tensor& tensor = tensorOf(call.env, call[0]);
  return string(call.env, tensor.is_nested() ? "nested" : layoutName(tensor.layout()));
}
napi_value numel(const Call& call) {
  return number(call.env, tensorOf(call.env, call[0]).numel());
}
napi_value ndim(const Call& call) { return number(call.env, tensorOf(call.env, call[0]).dim()); }
napi_value itemSize(const Call& call) {
  return number(call.env, tensorOf(call.env, call[0]).element_size());
}

// storage(tensor) -> {address, bytes}: of the memory that the tensor shows, the same for all that share it.
napi_value storage(const Call& call) {
  const at::Tensor& tensor = tensorOf(call.env, call[0]);
  if (!tensor.has_storage() || tensor.is_nested()) throw TorchError("A sparse or nested tensor has no storage of its own.");
  const c10::Storage& storage = tensor.storage();
  return object(call.env, {{"address", string(call.env, std::to_string(reinterpret_cast<uintptr_t>(storage.unsafeGetStorageImpl())))},
                           {"bytes", number(call.env, static_cast<double>(storage.nbytes()))}});
}

// differingSizes(lists): the first position where the lists' tensors have different numbers of elements, or -1.
napi_value differingSizes(const Call& call) {
  std::vector<std::vector<at::Tensor>> lists;
  for (napi_value list : elements(call.env, call[0])) lists.push_back(tensors(call.env, list));
  for (const auto& list : lists) {
    if (list.size() != lists[0].size()) throw TorchError("The lists have different lengths.");
    for (size_t i = 0; i < list.size(); i++) {
      if (list[i].numel() != lists[0][i].numel()) return number(call.env, i);
    }
  }
  return number(call.env, -1);
}

// memory() -> {tensors, bytes}: what lives in this environment.
napi_value memory(const Call& call) {
  return object(call.env, {{"tensors", number(call.env, call.state->live)},
                           {"bytes", number(call.env, call.state->liveBytes)}});
}

}  // namespace

void exportHandles(napi_env env, napi_value exports) {
  define(env, exports, "free", guarded<freeSlots, 2>);
  define(env, exports, "own", guarded<own, 2>);
  define(env, exports, "shape", guarded<shape, 1>);
  define(env, exports, "dtype", guarded<dtype, 1>);
  define(env, exports, "device", guarded<deviceName, 1>);
  define(env, exports, "layout", guarded<layoutOf, 1>);
  define(env, exports, "numel", guarded<numel, 1>);
  define(env, exports, "ndim", guarded<ndim, 1>);
  define(env, exports, "itemSize", guarded<itemSize, 1>);
  define(env, exports, "storage", guarded<storage, 1>);
  define(env, exports, "differingSizes", guarded<differingSizes, 1>);
  define(env, exports, "memory", guarded<memory, 0>);
}

}  // namespace penumbra
