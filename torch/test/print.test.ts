import { readFileSync } from "node:fs";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { collect } from "./collect.ts";

interface Case {
  data: (number | string | boolean)[] | { start: number; step: number };
  shape: number[];
  dtype: torch.DType;
  requiresGrad: boolean;
  op: "add" | "mul_sum" | "transpose" | "sparse" | "csr" | "csc" | "meta" | null;
  text: string;
}

const path = new URL("fixtures/print.json", import.meta.url);
const { cases } = JSON.parse(
  // JSON.parse would round the largest int64
  readFileSync(path, "utf8").replace(/\b9223372036854775807,\s*-9223372036854775808\b/, '"$&"'),
) as { cases: Case[] };

function build({ data, shape, dtype, requiresGrad, op }: Case): torch.Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  let made: torch.Tensor;
  if (Array.isArray(data) && String(data[0]).startsWith("9223372036854775807")) {
    made = torch.tensor([2n ** 63n - 1n, -(2n ** 63n)]);
  } else {
    const numbers = Array.isArray(data)
      ? data.map((value) => (value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value)))
      : Array.from({ length: count }, (_, i) => data.start + i * data.step);
    const flat = torch.fromTyped(Float64Array.from(numbers), [numbers.length]);
    made = dtype.startsWith("complex")
      ? flat.reshape([-1, 2]).viewAsComplex().to(dtype).reshape(shape)
      : flat.to(dtype).reshape(shape);
  }
  if (requiresGrad) made.requiresGrad_();
  if (op === "add") return made.add(made.onesLike());
  if (op === "mul_sum") return made.mul(made).sum();
  if (op === "transpose") return made.transpose(0, 1);
  if (op === "sparse") return made.toSparse();
  if (op === "csr") return made.toSparseCsr();
  if (op === "csc") return made.toSparseCsc();
  if (op === "meta") return made.to("meta");
  return made;
}

describe("a tensor prints exactly as in PyTorch", () => {
  test.each(cases)("$dtype $shape $op, case %$", (one) => {
    expect(torch.scope(() => String(build(one)))).toBe(one.text);
  });

  test("printing makes no tensors that stay, and works inside of inference mode", () => {
    collect();
    const x = torch.ones([2, 600]);
    const before = torch.memory().tensors;
    const text = torch.inferenceMode(() => String(x));
    expect(text).toContain("[1., 1., 1.,  ..., 1., 1., 1.]");
    expect(torch.memory().tensors).toBe(before);
    x.dispose();
    expect(torch.memory().tensors).toBe(before - 1);
  });

  const m = torch.tensor([
    [1, 2.5],
    [-0.3, 0],
  ]);
  const nested = (...parts: torch.Tensor[]) =>
    torch.call("aten::_nested_tensor_from_tensor_list", parts) as torch.Tensor;
  const quantized = (data: torch.Tensor, scale: number, dtype: torch.DType) =>
    torch.call("aten::quantize_per_tensor", data, scale, 3, dtype) as torch.Tensor;

  // What Python prints with torch 2.13; it cannot print uint4.
  test.each<[string, () => torch.Tensor, string]>([
    [
      "quantized",
      () => quantized(m, 0.1, "quint8"),
      `tensor([[ 1.0000,  2.5000],
        [-0.3000,  0.0000]], size=(2, 2), dtype=torch.quint8,
       quantization_scheme=torch.per_tensor_affine, scale=0.1, zero_point=3)`,
    ],
    [
      "quantized, by channel",
      () =>
        m.quantizePerChannel(
          torch.tensor([0.1, 0.2], { dtype: "float64" }),
          torch.tensor([3n, 4n]),
          0,
          "qint8",
        ),
      `tensor([[ 1.0000,  2.5000],
        [-0.4000,  0.0000]], size=(2, 2), dtype=torch.qint8,
       quantization_scheme=torch.per_channel_affine,
       scale=tensor([0.1000, 0.2000], dtype=torch.float64),
       zero_point=tensor([3, 4]), axis=0)`,
    ],
    [
      "quantized, without dimensions",
      () => quantized(torch.tensor(1), 0.123456789, "qint32"),
      `tensor(0.9877, size=(), dtype=torch.qint32,
       quantization_scheme=torch.per_tensor_affine, scale=0.123456789,
       zero_point=3)`,
    ],
    [
      "quantized, empty",
      () => quantized(torch.ones([0, 2]), 0.1, "qint32"),
      `tensor([], size=(0, 2), dtype=torch.qint32,
       quantization_scheme=torch.per_tensor_affine, scale=0.1, zero_point=3)`,
    ],
    [
      "nested",
      () => nested(torch.ones([2, 3]).to("float64"), torch.ones([1, 3]).to("float64")).requiresGrad_(),
      `nested_tensor([
  tensor([[1., 1., 1.],
          [1., 1., 1.]], dtype=torch.float64, requires_grad=True),
  tensor([[1., 1., 1.]], dtype=torch.float64, requires_grad=True)
], requires_grad=True)`,
    ],
    ["nested without parts", () => nested(), "nested_tensor([\n\n])"],
    [
      "of numbers of 4 bits",
      () => torch.ones([4], { dtype: "uint8" }).view("uint4" as torch.DType),
      "tensor(..., size=(4,), dtype=torch.uint4)",
    ],
  ])("%s", (_, make, text) => {
    expect(torch.scope(() => String(make()))).toBe(text);
  });
});
