/**
 * Calls that end a process in libtorch (Python's torch too): each has to be refused. Prints the name of each call before it
 * is made, so that the last line names the one that got through, and at the end the operators with their messages.
 */
import { writeSync } from "node:fs";
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

const int64 = (values: bigint[]) => torch.tensor(values);
const least = -(2n ** 63n);
const pictures = () => torch.ones([21, 4, 16, 16]).contiguous({ memoryFormat: "channelsLast" });
const kernel = () => torch.ones([8, 4, 1, 1]).requiresGrad_();
const dividesExactly = /^2\.([0-9]|1[0-2])\./.test(torch.version());
const matrix = () =>
  torch.tensor([
    [1, 2],
    [0, 3],
  ]);
const csr = () => matrix().toSparseCsr();
const quantized = () => torch.call("aten::quantize_per_tensor", matrix(), 0.1, 3, "quint8") as Tensor;
const nested = () =>
  torch.call("aten::_nested_tensor_from_tensor_list", [torch.ones([2]), torch.ones([1])]) as Tensor;
const withoutMemory = () => torch.call("aten::_efficientzerotensor", [3]) as Tensor;
const compressed = (blocks: boolean) => {
  const values = blocks ? torch.ones([2, 1, 1]) : torch.ones([2]);
  return [int64([0n, 1n, 2n]), int64([0n, 99999999n]), values, [2, 2]] as const;
};
const recurrent = (states: number) => {
  const hx = Array.from({ length: states }, (_, i) => torch.ones([1, 5, 3]).narrow(0, 0, 1 - i));
  return [states === 1 ? hx[0]! : hx, [], true, 1, 0, false, false] as const;
};

const CALLS: readonly (readonly [operator: string, call: () => unknown])[] = [
  ["aten::div", () => int64([least]).div(-1, { roundingMode: "trunc" })],
  ["aten::div", () => int64([1n, least]).div(int64([-1n]), { roundingMode: "trunc" })],
  ["aten::div", () => torch.call("aten::div.out_mode", int64([least]), int64([-1n]), { roundingMode: "trunc", out: int64([0n]) })],
  ["aten::div_", () => int64([-(2n ** 31n)]).to("int32").div_(-1, { roundingMode: "trunc" })],
  ["aten::divide", () => int64([least]).divide(int64([-1n, 2n]), { roundingMode: "trunc" })],
  ["aten::divide_", () => int64([least]).divide_(-1, { roundingMode: "trunc" })],
  // Only up to libtorch 2.12 the quotient is not rounded otherwise.
  ...(dividesExactly
    ? ([
        ["aten::div", () => int64([least]).div(-1, { roundingMode: "floor" })],
        ["aten::floor_divide", () => int64([1n, least]).floorDivide(int64([-1n]))],
        ["aten::floor_divide_", () => int64([least]).floorDivide_(-1)],
        ["aten::remainder", () => torch.call("aten::remainder.Scalar_Tensor", least, int64([2n, -1n]))],
        ["aten::remainder_", () => int64([-(2n ** 31n)]).to("int32").remainder_(-1)],
        ["aten::fmod", () => int64([least]).fmod(int64([-1n]))],
        ["aten::fmod_", () => int64([least]).fmod_(-1)],
      ] as const)
    : []),
  // On AVX-512 other kernels run.
  ...(torch.information().cpuCapability === "AVX2"
    ? ([
        ["aten::conv2d", () => torch.conv2d(pictures(), kernel(), { stride: [2, 2] })],
        ["aten::convolution", () => torch.convolution(pictures(), kernel(), null, [2, 2], [0, 0], [1, 1], false, [0, 0], 1)],
        ["aten::_convolution", () => torch.call("aten::_convolution", pictures(), kernel(), null, [1, 2], [0, 0], [1, 1], false, [0, 0], 1, false, false, false, false)],
      ] as const)
    : []),
  ["aten::native_group_norm", () => torch.nativeGroupNorm(torch.ones([1, 2, 3]).requiresGrad_(), null, null, 1, 2, 3, 0, 1e-5)],
  ["aten::copy", () => csr().copy(csr())],
  ["aten::lu_unpack", () => torch.luUnpack(torch.ones([2, 4, 4]), torch.zeros([0], { dtype: "int32" }))],
  ["aten::sparse_coo_tensor", () => torch.sparseCooTensor(int64([0n, 99999999n]).reshape([1, 2]), torch.ones([2]), [2]).toDense()],
  ["aten::sparse_compressed_tensor", () => torch.sparseCompressedTensor(...compressed(false), { layout: "sparse_csr" }).toDense()],
  ["aten::sparse_csr_tensor", () => torch.sparseCsrTensor(...compressed(false), {}).toDense()],
  ["aten::sparse_csc_tensor", () => torch.sparseCscTensor(...compressed(false), {}).toDense()],
  ["aten::sparse_bsr_tensor", () => torch.sparseBsrTensor(...compressed(true), {}).toDense()],
  ["aten::sparse_bsc_tensor", () => torch.sparseBscTensor(...compressed(true), {}).toDense()],
  ["aten::fbgemm_pack_gemm_matrix_fp16", () => torch.fbgemmPackGemmMatrixFp16(torch.ones([2, 2, 2, 2]))],
  ["aten::select", () => nested().select(-1, 2)],
  ["aten::trapz", () => torch.trapz(nested())],
  ["aten::trapezoid", () => torch.trapezoid(nested())],
  ["aten::range", () => torch.range(1, 1, { step: 0.5, dtype: "int32" })],
  ["aten::view_copy", () => quantized().viewCopy("int8")],
  ["aten::resize_", () => torch.call("aten::resize_", withoutMemory(), [5])],
  ["aten::resize_as_", () => torch.call("aten::resize_as_", withoutMemory(), torch.ones([5]))],
  ["aten::set_", () => torch.call("aten::set_", torch.ones([2]), withoutMemory(), 1, [3])],
  ["aten::lstm", () => torch.call("aten::lstm.data", torch.ones([2]).toSparse(), torch.ones([1]), ...recurrent(2))],
  ["aten::lstm", () => torch.call("aten::lstm.data", torch.ones([2, 3]), int64([]), ...recurrent(2))],
  ["aten::gru", () => torch.call("aten::gru.data", torch.ones([2, 3]), int64([]), ...recurrent(1))],
  ["aten::rnn_tanh", () => torch.call("aten::rnn_tanh.data", torch.ones([2, 3]), int64([]), ...recurrent(1))],
  ["aten::rnn_relu", () => torch.call("aten::rnn_relu.data", torch.ones([2, 3]), int64([]), ...recurrent(1))],
  // Any operator that writes into a tensor that is passed by name.
  ["aten::log_sigmoid_forward", () => torch.call("aten::log_sigmoid_forward.output", torch.ones([3, 8]), { output: torch.ones([1, 8]).expand([3, 8]), buffer: torch.ones([1]).expand([3, 8]) })],
  ["aten::inner", () => torch.call("aten::inner.out", withoutMemory(), withoutMemory(), { out: withoutMemory() })],
]; // biome-ignore format: a table

const refused: [operator: string, message: string][] = [];
for (const [operator, call] of CALLS) {
  writeSync(1, `${operator}\n`);
  try {
    call();
    refused.push([operator, "it was not refused"]);
  } catch (error) {
    if (!(error instanceof torch.TorchError)) throw error;
    refused.push([operator, error.message]);
  }
}
writeSync(1, JSON.stringify(refused));
