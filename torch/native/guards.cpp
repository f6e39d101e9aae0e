// Calls that end the process inside libtorch, or did so here once, are refused before they begin. A guard looks at the
// arguments as the operator would get them; only operators of this list pay for one.
#include "operators.h"

#include <ATen/MemoryOverlap.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/any.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/result_type.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/_validate_sparse_compressed_tensor_args.h>
#include <ATen/ops/_validate_sparse_coo_tensor_args.h>
#include <torch/version.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace penumbra {
namespace {

// The arguments of a call by their names in the schema, in camelCase.
struct Given {
  const Overload& overload;
  const c10::Stack& stack;
  const c10::IValue* find(const std::string& name) const {
    for (size_t i = 0; i < overload.parameters.size(); i++) {
      if (overload.parameters[i].name == name) return &stack[i];
    }
    return nullptr;
  }
  // None where the overload has no such argument.
  const c10::IValue& operator[](const std::string& name) const {
    static const c10::IValue none;
    const c10::IValue* value = find(name);
    return value != nullptr ? *value : none;
  }
  // Undefined where the argument is absent or no tensor.
  at::Tensor tensor(const std::string& name) const {
    const c10::IValue* value = find(name);
    return value != nullptr && value->isTensor() ? value->toTensor() : at::Tensor();
  }
};

[[noreturn]] void refuse(const std::string& why) { throw TorchError(why); }

bool isWhole(const at::Tensor& tensor) { return c10::isIntegralType(tensor.scalar_type(), /*includeBool=*/false); }
bool isReadable(const at::Tensor& tensor) { return tensor.device().is_cpu() && tensor.layout() == at::kStrided && !tensor.is_nested(); }

// An argument of whole numbers that can be looked at, a number as a tensor of one; undefined where it is something else.
at::Tensor wholeNumbers(const c10::IValue& value) {
  if (value.isInt()) {
    at::Tensor number = at::scalar_tensor(value.toInt(), at::kLong);
    number.unsafeGetTensorImpl()->set_wrapped_number(true);
    return number;
  }
  if (!value.isTensor() || !value.toTensor().defined()) return {};
  at::Tensor tensor = value.toTensor();
  return isReadable(tensor) && isWhole(tensor) && tensor.numel() != 0 ? tensor : at::Tensor();
}

// The smallest whole number by -1: the quotient has no place, and the processor ends the process.
void smallestByMinusOne(const Given& given, const std::string& instead) {
  at::Tensor divisor = wholeNumbers(given["other"]);
  if (!divisor.defined() || !divisor.eq(-1).any().item<bool>()) return;
  at::Tensor dividend = wholeNumbers(given["self"]);
  if (!dividend.defined()) return;
  at::ScalarType type = at::result_type(dividend, divisor);
  if (type != at::kLong && type != at::kInt) return;  // shorter ones are divided as int32
  int64_t least = type == at::kLong ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int32_t>::min();
  if (dividend.to(at::kLong).eq(least).any().item<bool>()) {
    refuse("the smallest " + scalarTypeName(type) + " divided by -1 has no result in " + scalarTypeName(type) + ", and the processor ends the process. " + instead);
  }
}

// Later versions round to the smaller number without the processor's division; these were seen in 2.6.0.
constexpr bool DIVIDES_EXACTLY = TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 13;

void roundedDivision(const Given& given) {
  const c10::IValue& mode = given["roundingMode"];
  if (!mode.isString() || (mode.toStringRef() != "trunc" && !DIVIDES_EXACTLY)) return;
  smallestByMinusOne(given, DIVIDES_EXACTLY ? "Convert to float64." : "Convert to float64, or use roundingMode \"floor\".");
}

void remainderOfDivision(const Given& given) {
  if (DIVIDES_EXACTLY) smallestByMinusOne(given, "Convert to float64.");
}

// oneDNN's kernels for AVX2, which it uses where the processor has no AVX-512 or is held to AVX2.
bool usesAvx2Kernels() {
  static const bool uses = [] {
    const char* most = std::getenv("DNNL_MAX_CPU_ISA");
    return at::get_cpu_capability() == "AVX2" || (most != nullptr && std::string(most).rfind("AVX2", 0) == 0);
  }();
  return uses;
}

void fewChannels(const Given& given) {
  if (!usesAvx2Kernels() || !at::GradMode::is_enabled()) return;
  at::Tensor input = given.tensor("input"), weight = given.tensor("weight");
  if (!input.defined() || !weight.defined() || input.dim() != 4 || weight.dim() != 4 || !weight.requires_grad()) return;
  if (!isReadable(input) || !isReadable(weight) || input.size(1) >= 8 || weight.size(2) != 1 || weight.size(3) != 1) return;
  bool isChannelsLast = input.suggest_memory_format() == at::MemoryFormat::ChannelsLast || weight.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
  const c10::IValue& stride = given["stride"];
  std::vector<int64_t> steps = stride.isIntList() ? stride.toIntVector() : std::vector<int64_t>();
  if (isChannelsLast && std::any_of(steps.begin(), steps.end(), [](int64_t step) { return step > 1; })) {
    refuse("on this processor the gradient of a 1x1 convolution of " + std::to_string(input.size(1)) +
           " channels with a stride, channels-last, is written beyond its memory. Use 8 channels or more, or contiguous images and weights.");
  }
}

void groupsOfChannels(const Given& given) {
  if (given["group"].toInt() < 1) refuse("there are " + std::to_string(given["group"].toInt()) + " groups. Choose 1 or more, so that they divide the channels.");
}

void copyWithStrides(const Given& given) {
  if (given.tensor("self").layout() != at::kStrided) {
    refuse("a tensor of layout " + layoutName(given.tensor("self").layout()) + " has no strides to copy. Use clone(), or copy_ into one of the same layout.");
  }
}

void pivots(const Given& given) {
  at::Tensor matrices = given.tensor("LUData"), pivots = given.tensor("LUPivots");
  if (matrices.dim() < 2 || !given["unpackPivots"].toBool()) return;
  std::vector<int64_t> wanted = matrices.sizes().vec();
  int64_t columns = wanted.back();
  wanted.pop_back();
  wanted.back() = std::min(wanted.back(), columns);
  if (pivots.sizes() != at::IntArrayRef(wanted)) {
    refuse("the pivots of shape " + c10::str(pivots.sizes()) + " do not belong to matrices of shape " + c10::str(matrices.sizes()) +
           ". Pass both results of linalgLuFactor.");
  }
}

void sparseIndices(const Given& given) {
  const c10::IValue& size = given["size"];
  if (!size.isIntList()) return;  // then libtorch takes it from the largest index, or there is no element yet
  if (at::Tensor indices = given.tensor("indices"); indices.defined()) {
    at::_validate_sparse_coo_tensor_args(indices, given.tensor("values"), size.toIntVector());
    return;
  }
  auto either = [&](const char* first, const char* second) {
    at::Tensor found = given.tensor(first);
    return found.defined() ? found : given.tensor(second);
  };
  auto named = [&](const char* name) { return given.overload.op.schema().name().find(name) != std::string::npos; };
  const c10::IValue& asked = given["layout"];
  at::Layout layout = named("_csr") ? at::kSparseCsr : named("_csc") ? at::kSparseCsc : named("_bsr") ? at::kSparseBsr
                    : named("_bsc") ? at::kSparseBsc
                    : asked.isInt() ? asked.toLayout() : at::kStrided;
  if (layout == at::kStrided) return;  // libtorch refuses it
  bool byRow = layout == at::kSparseCsr || layout == at::kSparseBsr;
  at::_validate_sparse_compressed_tensor_args(either("compressedIndices", byRow ? "crowIndices" : "ccolIndices"),
                                              either("plainIndices", byRow ? "colIndices" : "rowIndices"),
                                              given.tensor("values"), size.toIntVector(), layout);
}

void packedMatrix(const Given& given) {
  at::Tensor matrix = given.tensor("input");
  bool fits = matrix.dim() == 2 && matrix.scalar_type() == at::kFloat && isReadable(matrix) && matrix.numel() > 0;
  if (!fits) refuse("only a float32 matrix on the CPU can be packed, which this is not. Convert or reshape it first.");
}

void nestedSelection(const Given& given) {
  if (given.tensor("self").is_nested() && given["dim"].isInt() && given["dim"].toInt() < 0) {
    refuse("dimensions of nested tensors cannot be counted from the end here. Pass a dimension from 0 on.");
  }
}

void wholeStep(const Given& given) {
  const c10::IValue& dtype = given["dtype"];
  const c10::IValue& step = given["step"];
  if (!dtype.isInt() || !step.isScalar() || step.toScalar().isComplex() || !c10::isIntegralType(dtype.toScalarType(), true)) return;
  if (std::abs(step.toScalar().toDouble()) < 1) refuse("a step below 1 is 0 as a whole number. Choose a floating dtype, or a step from 1 on.");
}

void notQuantized(const Given& given) {
  if (given.tensor("self").is_quantized()) refuse("the bytes of a quantized tensor cannot be viewed as another dtype. Use intRepr() or dequantize().");
}

void withStorage(const Given& given) {
  for (const char* name : {"self", "source"}) {
    at::Tensor tensor = given.tensor(name);
    if (tensor.defined() && tensor._is_zerotensor()) refuse("a tensor of zeros that autograd made has no memory to change. Use its clone().");
  }
}

void recurrentState(const Given& given) {
  if (at::Tensor sizes = given.tensor("batchSizes"); sizes.defined() && sizes.numel() == 0) refuse("there are no batch sizes. Pass one for each step.");
  const c10::IValue& state = given["hx"];
  if (!state.isTensorList()) return;
  auto states = state.toTensorVector();
  if (states.size() == 2 && (states[0].is_nested() || states[1].is_nested() || states[0].dim() == 0 || states[0].dim() != states[1].dim() || states[0].size(0) != states[1].size(0))) {
    refuse("the hidden state and the cell state are of different numbers of layers. Give both the shape [layers, batch, size].");
  }
}

void notNested(const Given& given) {
  for (const c10::IValue& value : given.stack) {
    if (value.isTensor() && value.toTensor().is_nested()) refuse("it does not know nested tensors. Use unbind() and call it for each part.");
  }
}

}  // namespace

// One kind of crash: which operators, what happens there, and with which versions it was seen.
struct Guard {
  std::vector<std::string> operators;
  const char* reason;
  const char* versions;
  void (*check)(const Given&);
};

namespace {

const char* const seen = "2.13.0";

// Seen on x64, where Python's torch ends in the same way.
const std::vector<Guard>& guards() {
  static const std::vector<Guard> list = {
      {{"aten::div", "aten::div_", "aten::divide", "aten::divide_"},
       "SIGFPE: the smallest int64 or int32 divided by -1, rounded by \"trunc\" (before 2.13 by \"floor\" too)", seen, roundedDivision},
      {{"aten::floor_divide", "aten::floor_divide_", "aten::remainder", "aten::remainder_", "aten::fmod", "aten::fmod_"},
       "SIGFPE: the smallest int64 or int32 divided by -1", "2.6.0; refused before 2.13", remainderOfDivision},
      {{"aten::conv2d", "aten::convolution", "aten::_convolution"},
       "SIGSEGV or SIGABRT in the backward pass on AVX2: oneDNN's 1x1 kernel of fewer than 8 channels, with a stride, channels-last", seen, fewChannels},
      {{"aten::native_group_norm"}, "SIGFPE: division by 0 groups", seen, groupsOfChannels},
      {{"aten::copy"}, "SIGSEGV: strides of a compressed sparse tensor, which has none", seen, copyWithStrides},
      {{"aten::lu_unpack"}, "SIGSEGV: fewer pivots than rows", seen, pivots},
      {{"aten::sparse_coo_tensor", "aten::sparse_compressed_tensor", "aten::sparse_csr_tensor", "aten::sparse_csc_tensor",
        "aten::sparse_bsr_tensor", "aten::sparse_bsc_tensor"},
       "SIGSEGV in whatever reads the tensor later: indices outside of its size", seen, sparseIndices},
      {{"aten::fbgemm_pack_gemm_matrix_fp16"}, "SIGSEGV: sizes of a tensor that is no matrix", seen, packedMatrix},
      {{"aten::select"}, "SIGSEGV: a negative dimension of a nested tensor", seen, nestedSelection},
      {{"aten::range"}, "SIGFPE: division by a step that is cut off to 0", seen, wholeStep},
      {{"aten::view_copy"}, "SIGSEGV: the bytes of a quantized tensor", seen, notQuantized},
      {{"aten::resize_", "aten::resize_as_", "aten::set_"}, "SIGSEGV: a tensor without memory (_efficientzerotensor)", seen, withStorage},
      {{"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"},
       "SIGSEGV: no batch sizes, or a cell state of fewer layers", seen, recurrentState},
      {{"aten::trapz", "aten::trapezoid"}, "SIGSEGV: selects a negative dimension of a nested tensor", seen, notNested},
  };
  return list;
}

// guards() -> [{operators, reason, versions}]
napi_value describeGuards(const Call& call) {
  return list(call.env, guards().size(), [&](size_t i) {
    const Guard& guard = guards()[i];
    auto name = [&](size_t j) { return string(call.env, guard.operators[j]); };
    return object(call.env, {{"operators", list(call.env, guard.operators.size(), name)},
                             {"reason", string(call.env, guard.reason)},
                             {"versions", string(call.env, guard.versions)}});
  });
}

}  // namespace

const Guard* guardOf(const std::string& name) {
  for (const Guard& guard : guards()) {
    if (std::find(guard.operators.begin(), guard.operators.end(), name) != guard.operators.end()) return &guard;
  }
  return nullptr;
}

void refuseWhatCrashes(const Overload& overload, const c10::Stack& stack) {
  overload.guard->check({overload, stack});
}

void refuseUnwritable(const Overload& overload, const c10::Stack& stack) {
  for (size_t i = 0; i < overload.parameters.size(); i++) {
    if (!overload.parameters[i].keywordOnly || !stack[i].isTensor()) continue;
    const c10::AliasInfo* alias = overload.op.schema().arguments()[i].alias_info();
    if (alias == nullptr || !alias->isWrite()) continue;
    at::Tensor out = stack[i].toTensor();
    bool isPlain = out.layout() == at::kStrided && !out.is_nested();
    if (isPlain && (out._is_zerotensor() || at::has_internal_overlap(out) == at::MemOverlap::Yes)) {
      refuse("several elements of \"" + overload.parameters[i].name + "\" share a place in memory. Pass a tensor of its own, such as its clone().");
    }
  }
}

void exportGuards(napi_env env, napi_value exports) { define(env, exports, "guards", guarded<describeGuards, 0>); }

}  // namespace penumbra
