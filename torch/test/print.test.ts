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
});
