// Every ATen operator through one function: the overload is chosen by the schemas, the arguments are converted by
// the chosen schema, and the call goes through the boxed dispatcher.
#include "arguments.h"
#include "observers.h"

#include <algorithm>

namespace penumbra {
namespace {

// libtorch sets the new sizes before it asks for memory. Where that fails, the tensor would reach beyond what it has:
// it becomes a vector of all that its memory holds.
void mend(at::Tensor& tensor) {
  bool isPlain = tensor.defined() && tensor.layout() == at::kStrided && tensor.has_storage() && !tensor.is_meta() && !tensor.is_nested();
  if (!isPlain || tensor._is_zerotensor()) return;
  double needed = 1 + static_cast<double>(tensor.storage_offset());
  for (int64_t i = 0; i < tensor.dim(); i++) {
    if (tensor.size(i) == 0) return;
    needed += static_cast<double>(tensor.size(i) - 1) * static_cast<double>(tensor.stride(i));
  }
  size_t held = tensor.storage().nbytes() / tensor.element_size();
  if (needed <= static_cast<double>(held)) return;
  tensor.unsafeGetTensorImpl()->set_storage_offset(0);
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous({static_cast<int64_t>(held)});
}

void mend(napi_env env, const Value& value) {
  if (value.kind == Js::Tensor && value.slot > 0) mend(environment(env).slots[value.slot].tensor);
  if (value.kind != Js::Array) return;
  for (napi_value element : elements(env, value.value)) {
    Value item = classify(env, element);
    if (item.kind == Js::Tensor) mend(env, item);
  }
}

// Where an operator finds no CUDA, libtorch lists all backends it has instead of the reason.
std::string explained(const std::string& message) {
  bool lacksCuda = message.find("from the 'CUDA' backend") != std::string::npos ||
                   message.find("not linked with support for cuda devices") != std::string::npos;
  if (!lacksCuda || cudaProblem().empty()) return message;
  return "there is no CUDA here (" + cudaProblem() + "). `npx @penumbra/torch doctor` says how to get it.";
}

// Runs the operator. What goes wrong inside becomes an error that names it, and its tensors are put in order by
// `mendTensors`. Which arguments came is said in TypeScript, where they are at hand.
template <typename Fill, typename MendTensors>
void run(napi_env env, const Packet& packet, const Overload& overload, c10::Stack& stack, Fill fill, MendTensors mendTensors) {
  auto fail = [&](const std::string& what) {
    mendTensors();
    return TorchError(packet.name + ": " + what, packet.name, schemaText(overload));
  };
  try {
    stack.reserve(std::max<size_t>(overload.parameters.size(), 4));
    fill();
    if (overload.guard != nullptr) refuseWhatCrashes(overload, stack);
    if (overload.writesOut) refuseUnwritable(overload, stack);
    CallSite site(env, packet.name);
    overload.op.callBoxed(stack);
    if (numericsCheck != 0) refuseNonFinite(stack.data(), stack.size());
  } catch (const JavaScriptError&) {
    throw;
  } catch (const c10::Error& error) {
    throw fail(explained(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw fail(error.what());
  }
}

// The results as call() returns them. A new tensor of an operator that always gives one comes as the number of its slot:
// JavaScript makes the object faster than Node-API does.
napi_value results(const Call& call, const Packet& packet, const Overload& overload, c10::Stack& stack, const Arguments& arguments) {
  const auto& returns = overload.op.schema().returns();
  auto one = [&](size_t i) -> napi_value {
    const c10::IValue& value = stack[stack.size() - returns.size() + i];
    if (overload.writes && value.isTensor()) {  // in-place: give back the very object that came in
      auto* impl = value.toTensor().unsafeGetTensorImpl();
      for (size_t j = 0; j < arguments.count; j++) {
        const Value& v = arguments.values[j];
        if (v.kind == Js::Tensor && call.state->slots[v.slot].tensor.unsafeGetTensorImpl() == impl) return v.value;
      }
    }
    if (packet.givesOneTensor && value.isTensor() && value.toTensor().defined()) {
      return number(call.env, insert(*call.state, value.toTensor()));
    }
    return toJavaScript(call.env, value, returns[i].real_type().get());
  };
  if (returns.empty()) return nullptr;
  return returns.size() == 1 ? one(0) : list(call.env, returns.size(), one);
}

const Overload& choose(napi_env env, const Packet& packet, const Arguments& arguments) {
  if (const Overload* chosen = overloadFor(env, packet, arguments)) return *chosen;
  for (size_t i = 0; i < arguments.count; i++) {
    if (arguments.values[i].kind == Js::Tensor && arguments.values[i].slot == 0) throwDisposed(env, arguments.values[i].value);
  }
  std::string schemas;
  for (const Overload& overload : packet.overloads) schemas += "\n  " + schemaText(overload);
  throw TorchError(packet.name + " has no overload for these arguments. Arguments without a default go by position, all others into one "
                                 "object at the end, with camelCase names. It accepts:" + schemas, packet.name, schemas);
}

// call(packet, positionalCount, ...positional, nameId, value, nameId, value, …)
napi_value callOperator(const Call& call) {
  int32_t index = toInteger(call.env, call[0]);
  const Packet& packet = packetAt(index);
  Arguments arguments;
  read(call, arguments);
  const Overload& chosen = choose(call.env, packet, arguments);
  c10::Stack stack;
  auto mendTensors = [&] {
    for (size_t i = 0; i < arguments.count; i++) mend(call.env, arguments.values[i]);
  };
  run(call.env, packet, chosen, stack, [&] { fillFrom(call.env, arguments, chosen, stack); }, mendTensors);
  call.state->maker = index;
  napi_value result = results(call, packet, chosen, stack, arguments);
  call.state->maker = -1;
  return result;
}

// roundTrip(…as call…) -> {schema, values}: what the operator would be given, converted back. It is not called.
napi_value roundTrip(const Call& call) {
  const Packet& packet = packetAt(toInteger(call.env, call[0]));
  Arguments arguments;
  read(call, arguments);
  const Overload& chosen = choose(call.env, packet, arguments);
  c10::Stack stack;
  fillFrom(call.env, arguments, chosen, stack);
  auto value = [&](size_t i) { return toJavaScript(call.env, stack[i], chosen.parameters[i].type.get()); };
  return object(call.env, {{"schema", string(call.env, schemaText(chosen))}, {"values", list(call.env, stack.size(), value)}});
}

// The slot of the result: the one that came in where the operator works in place, else a new one.
napi_value resultSlot(const Call& call, const Overload& overload, c10::Stack& stack, const int32_t* slots, size_t count) {
  at::Tensor result = std::move(stack.back()).toTensor();
  for (size_t i = 0; overload.writes && i < count; i++) {
    if (call.state->slots[slots[i]].tensor.is_same(result)) return number(call.env, slots[i]);
  }
  return number(call.env, result.defined() ? insert(*call.state, std::move(result)) : 0);
}

// The short way for operators of one to three tensors, or of a tensor and a number: see directForms().
napi_value runDirectly(const Call& call, const Packet& packet, const Overload* overload, size_t count, const at::Scalar& scalar = {}) {
  if (overload == nullptr || call.count <= count) throw TorchError("Malformed call.");
  int32_t slots[3];
  for (size_t i = 0; i < count; i++) slots[i] = toInteger(call.env, call[1 + i]);
  c10::Stack stack;
  auto fill = [&] {
    size_t next = 0;
    for (const Parameter& parameter : overload->parameters) {
      if (!parameter.byPosition()) {
        stack.push_back(parameter.defaultValue);
      } else if (parameter.kind == Kind::Scalar) {
        stack.emplace_back(scalar);
      } else {
        Slot* slot = slotAt(*call.state, slots[next++]);
        if (slot == nullptr) throw TorchError("A disposed tensor was used.");
        stack.emplace_back(slot->tensor);
      }
    }
  };
  auto mendTensors = [&] {
    for (size_t i = 0; i < count; i++) if (Slot* slot = slotAt(*call.state, slots[i])) mend(slot->tensor);
  };
  run(call.env, packet, *overload, stack, fill, mendTensors);
  return resultSlot(call, *overload, stack, slots, count);
}

// direct(packet, slot, slot?, slot?)
napi_value direct(const Call& call) {
  const Packet& packet = packetAt(toInteger(call.env, call[0]));
  size_t count = std::clamp<size_t>(call.count, 2, 4) - 1;
  return runDirectly(call, packet, packet.direct[count], count);
}

// directScalar(packet, slot, number)
napi_value directScalar(const Call& call) {
  const Packet& packet = packetAt(toInteger(call.env, call[0]));
  double value = 0;
  check(call.env, napi_get_value_double(call.env, call[2], &value));
  return runDirectly(call, packet, packet.directScalar, 1, toScalar(value));
}

}  // namespace

void exportDispatch(napi_env env, napi_value exports) {
  define(env, exports, "call", guarded<callOperator>);
  define(env, exports, "roundTrip", guarded<roundTrip>);
  define(env, exports, "direct", guarded<direct, 4>);
  define(env, exports, "directScalar", guarded<directScalar, 3>);
}

}  // namespace penumbra
