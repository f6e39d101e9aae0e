// The profiler: what libtorch's observers tell of operators and of memory, on a thread of JavaScript and those that work for it.
#include "observers.h"

#include <ATen/record_function.h>
#include <c10/core/Allocator.h>

#include <chrono>
#include <cmath>
#include <mutex>
#include <unordered_map>

namespace penumbra {
namespace {

using Clock = std::chrono::steady_clock;

// Texts by number: names and shapes repeat.
struct Texts {
  std::vector<std::string> all;
  std::unordered_map<std::string, int32_t> numbers;
  int32_t numberOf(const std::string& text) {
    auto [found, isNew] = numbers.emplace(text, static_cast<int32_t>(all.size()));
    if (isNew) all.push_back(text);
    return found->second;
  }
};

struct Event {
  int32_t name, shapes, parent, thread, scope;  // parent: -1 for none; shapes: -1 where not asked for
  double sequence;                              // connects an operator with its node of the backward pass; -1 for none
  double begin, end;                            // µs since the profile began
};
struct MemoryEvent {
  int32_t event, device;  // -1: outside of all operators
  double time, bytes;     // bytes < 0: given back
};

std::string shapeOf(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_nested()) return "[]";
  std::string text = "[";
  for (int64_t i = 0; i < tensor.dim(); i++) text += (i == 0 ? "" : ", ") + std::to_string(tensor.size(i));
  return text + "]";
}

// As PyTorch writes them: sizes of tensors, lists of sizes for lists of tensors, [] for everything else.
std::string shapesOf(c10::ArrayRef<const c10::IValue> inputs) {
  std::string text = "[";
  for (const c10::IValue& input : inputs) {
    if (text.size() > 1) text += ", ";
    if (input.isTensor()) {
      text += shapeOf(input.toTensor());
    } else if (input.isTensorList()) {
      std::string inner;
      for (const at::Tensor& tensor : input.toTensorVector()) inner += (inner.empty() ? "" : ", ") + shapeOf(tensor);
      text += "[" + inner + "]";
    } else {
      text += "[]";
    }
  }
  return text + "]";
}

// Lies among libtorch's thread-local information under the profiler's name, from where threads that work for this one have it
// too, and where allocators look for somebody to tell.
struct Recorder : c10::MemoryReportingInfoBase, std::enable_shared_from_this<Recorder> {
  const bool shapes, memory;
  const Clock::time_point start = Clock::now();
  std::mutex mutex;
  Texts names, shapeTexts, devices;
  std::vector<Event> events;
  std::vector<MemoryEvent> memoryEvents;

  Recorder(bool shapes, bool memory) : shapes(shapes), memory(memory) {}
  double now() const { return std::chrono::duration<double, std::micro>(Clock::now() - start).count(); }
  bool memoryProfilingEnabled() const override { return memory; }
  void reportMemoryUsage(void* pointer, int64_t bytes, size_t allocated, size_t reserved, c10::Device device) override;
};

// The innermost event that is open on this thread.
struct Innermost {
  const Recorder* recorder = nullptr;
  int32_t event = -1;
};
thread_local Innermost innermost;

int32_t innermostOf(const Recorder* recorder) { return innermost.recorder == recorder ? innermost.event : -1; }

void Recorder::reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device device) {
  double time = now();
  std::lock_guard<std::mutex> lock(mutex);
  memoryEvents.push_back({innermostOf(this), devices.numberOf(device.str()), time, static_cast<double>(bytes)});
}

struct Span : at::ObserverContext {
  std::shared_ptr<Recorder> recorder;
  int32_t event = 0;
  Innermost outer;
};

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
  auto* found = static_cast<Recorder*>(c10::ThreadLocalDebugInfo::get(c10::DebugInfoKind::PROFILER_STATE));
  if (found == nullptr) return nullptr;
  auto span = std::make_unique<Span>();
  span->recorder = found->shared_from_this();
  span->outer = innermost;
  std::string name = readable(function.name()), shapes = found->shapes ? shapesOf(function.inputs()) : "";
  Event event = {0, -1, innermostOf(found), static_cast<int32_t>(function.threadId()), static_cast<int32_t>(function.scope()),
                 static_cast<double>(function.seqNr()), 0, NAN};
  std::lock_guard<std::mutex> lock(found->mutex);
  event.name = found->names.numberOf(name);
  if (found->shapes) event.shapes = found->shapeTexts.numberOf(shapes);
  event.begin = found->now();
  span->event = static_cast<int32_t>(found->events.size());
  found->events.push_back(event);
  innermost = {found, span->event};
  return span;
}

void end(const at::RecordFunction&, at::ObserverContext* context) {
  auto* span = static_cast<Span*>(context);
  if (span == nullptr) return;
  double time = span->recorder->now();
  innermost = span->outer;
  std::lock_guard<std::mutex> lock(span->recorder->mutex);
  span->recorder->events[span->event].end = time;
}

// The profile of this thread of JavaScript; null where none runs.
thread_local std::shared_ptr<Recorder> running;
thread_local at::CallbackHandle observer;

// beginProfile(shapes, memory)
napi_value beginProfile(const Call& call) {
  if (running != nullptr) throw TorchError("A profile runs on this thread already. Wait for it to end: one promise of profile() at a time.");
  running = std::make_shared<Recorder>(toBool(call.env, call[0]), toBool(call.env, call[1]));
  c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, running);
  observer = at::addThreadLocalCallback(
      at::RecordFunctionCallback(begin, end)
          .needsInputs(running->shapes)
          .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION, at::RecordScope::USER_SCOPE}));
  return nullptr;
}

template <typename Element, typename Item, typename Get>
napi_value column(napi_env env, napi_typedarray_type type, const std::vector<Item>& items, Get get) {
  void* data = nullptr;
  napi_value buffer, result;
  check(env, napi_create_arraybuffer(env, items.size() * sizeof(Element), &data, &buffer));
  for (size_t i = 0; i < items.size(); i++) static_cast<Element*>(data)[i] = get(items[i]);
  check(env, napi_create_typedarray(env, type, items.size(), buffer, 0, &result));
  return result;
}

// endProfile() -> columns of the events and of what allocators told, and the texts that they number
napi_value endProfile(const Call& call) {
  if (running == nullptr) throw TorchError("No profile runs on this thread.");
  std::shared_ptr<Recorder> recorder = std::move(running);
  at::removeCallback(observer);
  // Where it was begun inside of something that has ended meanwhile, libtorch has taken it away already.
  if (c10::ThreadLocalDebugInfo::get(c10::DebugInfoKind::PROFILER_STATE) == recorder.get()) {
    c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
  }
  double finish = recorder->now();
  std::lock_guard<std::mutex> lock(recorder->mutex);
  auto texts = [&](const Texts& from) { return list(call.env, from.all.size(), [&](size_t i) { return string(call.env, from.all[i]); }); };
  auto integers = [&](const auto& items, auto get) { return column<int32_t>(call.env, napi_int32_array, items, get); };
  auto numbers = [&](const auto& items, auto get) { return column<double>(call.env, napi_float64_array, items, get); };
  const auto& events = recorder->events;
  const auto& memory = recorder->memoryEvents;
  return object(call.env, {
      {"names", texts(recorder->names)},
      {"shapeTexts", texts(recorder->shapeTexts)},
      {"devices", texts(recorder->devices)},
      {"elapsed", number(call.env, finish)},
      {"name", integers(events, [](const Event& e) { return e.name; })},
      {"shapes", integers(events, [](const Event& e) { return e.shapes; })},
      {"parent", integers(events, [](const Event& e) { return e.parent; })},
      {"thread", integers(events, [](const Event& e) { return e.thread; })},
      {"scope", integers(events, [](const Event& e) { return e.scope; })},
      {"sequence", numbers(events, [](const Event& e) { return e.sequence; })},
      {"begin", numbers(events, [](const Event& e) { return e.begin; })},
      {"end", numbers(events, [&](const Event& e) { return std::isnan(e.end) ? finish : e.end; })},
      {"memoryEvent", integers(memory, [](const MemoryEvent& m) { return m.event; })},
      {"memoryDevice", integers(memory, [](const MemoryEvent& m) { return m.device; })},
      {"memoryTime", numbers(memory, [](const MemoryEvent& m) { return m.time; })},
      {"memoryBytes", numbers(memory, [](const MemoryEvent& m) { return m.bytes; })},
  });
}

// recordRange(name, callback) -> what the callback returns: a range of the profile around a synchronous function
napi_value recordRange(const Call& call) {
  at::RecordFunction range(at::RecordScope::USER_SCOPE);
  std::string name = text(call.env, call[0]);
  if (range.isActive()) range.before(name.c_str());  // libtorch 2.6 takes no view
  napi_value result;
  check(call.env, napi_call_function(call.env, undefined(call.env), call[1], 0, nullptr, &result));
  return result;
}

}  // namespace

void exportProfiler(napi_env env, napi_value exports) {
  define(env, exports, "beginProfile", guarded<beginProfile, 2>);
  define(env, exports, "endProfile", guarded<endProfile, 0>);
  define(env, exports, "recordRange", guarded<recordRange, 2>);
}

}  // namespace penumbra
