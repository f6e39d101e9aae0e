// What leaves its thread: tensors given to another thread, and reading elements on one of libuv's.
#include "storage.h"

#include <c10/util/Exception.h>

#include <mutex>
#include <unordered_map>

namespace penumbra {
namespace {

// Tensors on their way, for the whole process: a message between threads carries the number of one.
std::mutex mutex;
std::unordered_map<int64_t, at::Tensor> underway;
int64_t numbers = 0;

// give(tensor) -> number: its memory for one other thread, without a copy. From now on it cannot be resized: the other
// thread may be reading it.
napi_value give(const Call& call) {
  const at::Tensor& tensor = tensorOf(call.env, call[0]);
  if (tensor.layout() != at::kStrided || tensor.is_nested() || !tensor.has_storage() || tensor._is_zerotensor()) {
    throw TorchError("Only a dense tensor can be given to another thread. Convert it first: toDense() or toPaddedTensor().");
  }
  if (tensor.requires_grad() && !tensor.is_leaf()) {
    throw TorchError("A tensor that was computed with gradients cannot be given to another thread: its graph belongs to this one. Give its detach().");
  }
  c10::StorageImpl& storage = *tensor.storage().unsafeGetStorageImpl();
  if (isOfJavaScript(storage)) {
    throw TorchError("The tensor's memory belongs to the array that asTyped() gave, and with it to this thread. Give its clone().");
  }
  if (storage.resizable()) {
    storage.mutable_data_ptr();  // a lazy clone gets memory of its own
    storage.set_resizable(false);
  }
  std::lock_guard<std::mutex> lock(mutex);
  numbers += 1;
  underway.emplace(numbers, tensor.variable_data());
  return number(call.env, static_cast<double>(numbers));
}

// take(number) -> tensor, or null where it was taken already.
napi_value take(const Call& call) {
  int64_t wanted = 0;
  check(call.env, napi_get_value_int64(call.env, call[0], &wanted));
  at::Tensor tensor;
  {
    std::lock_guard<std::mutex> lock(mutex);
    auto found = underway.find(wanted);
    if (found != underway.end()) {
      tensor = std::move(found->second);
      underway.erase(found);
    }
  }
  return wrap(call.env, std::move(tensor));
}

// givenTensors(): how many are underway.
napi_value givenTensors(const Call& call) {
  std::lock_guard<std::mutex> lock(mutex);
  return number(call.env, static_cast<double>(underway.size()));
}

// Elements on their way into an array, which JavaScript does not see before they have arrived.
struct Reading {
  at::Tensor tensor;
  std::shared_ptr<const at::DataPtr> share;  // resizing the tensor meanwhile must not take its memory away
  void* target = nullptr;
  size_t length = 0;
  std::string problem;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  napi_ref array = nullptr;
};

void execute(napi_env, void* data) {
  auto& reading = *static_cast<Reading*>(data);
  try {
    if (!readInto(reading.tensor, reading.target, reading.length)) throw TorchError("The array has another size than the tensor.");
  } catch (const c10::Error& error) {
    reading.problem = error.what_without_backtrace();
  } catch (const std::exception& error) {
    reading.problem = error.what();
  }
}

// Where one of these calls fails, the thread is being ended, and nobody waits.
void complete(napi_env env, napi_status, void* data) {
  std::unique_ptr<Reading> reading(static_cast<Reading*>(data));
  napi_delete_async_work(env, reading->work);
  napi_delete_reference(env, reading->array);
  napi_value outcome = nullptr;
  if (reading->problem.empty()) {
    if (napi_get_undefined(env, &outcome) == napi_ok) napi_resolve_deferred(env, reading->deferred, outcome);
    return;
  }
  throwTorchError(env, reading->problem);
  if (napi_get_and_clear_last_exception(env, &outcome) == napi_ok) napi_reject_deferred(env, reading->deferred, outcome);
}

// Up to here the copy takes the event loop no longer than handing it to another thread and hearing of its end, some 20 µs
// of processor time with 2 cores of an AMD EPYC.
constexpr size_t copiedAtOnce = 1 << 20;

// readBytesAsync(tensor, Uint8Array): a promise; the array is full when it is fulfilled. Undefined where it is full already.
napi_value readBytesAsync(const Call& call) {
  auto reading = std::make_unique<Reading>();
  const at::Tensor& tensor = tensorOf(call.env, call[0]);
  napi_typedarray_type kind = napi_int8_array;
  check(call.env, napi_get_typedarray_info(call.env, call[1], &kind, &reading->length, &reading->target, nullptr, nullptr));
  if (kind != napi_uint8_array) throw TorchError("A Uint8Array was expected.");
  if (reading->length <= copiedAtOnce && liesInOrder(tensor) && readInto(tensor, reading->target, reading->length)) return nullptr;
  reading->tensor = tensor.detach();
  reading->share = shareOf(tensor);
  napi_value promise;
  check(call.env, napi_create_reference(call.env, call[1], 1, &reading->array));
  check(call.env, napi_create_async_work(call.env, nullptr, string(call.env, "penumbra.data"), execute, complete, reading.get(), &reading->work));
  check(call.env, napi_create_promise(call.env, &reading->deferred, &promise));
  check(call.env, napi_queue_async_work(call.env, reading->work));
  reading.release();
  return promise;
}

}  // namespace

void exportThreads(napi_env env, napi_value exports) {
  define(env, exports, "give", guarded<give, 1>);
  define(env, exports, "take", guarded<take, 1>);
  define(env, exports, "givenTensors", guarded<givenTensors, 0>);
  define(env, exports, "readBytesAsync", guarded<readBytesAsync, 2>);
}

}  // namespace penumbra
