import { expect, test } from "vitest";
import { cpuFeatures, resolvePrecision } from "../../src/library/index.ts";

const processor = (flags: string) =>
  cpuFeatures(`processor\t: 0\nmodel name\t: Test CPU\nflags\t\t: fpu ${flags}\n`);

test("the features are read from the processor's flags", () => {
  expect(processor("avx2 avx512f avx512_bf16 amx_bf16 amx_tile")).toEqual({
    model: "Test CPU",
    avx2: true,
    avx512: true,
    avx512bf16: true,
    amxBf16: true,
    armBf16: false,
  });
  expect(cpuFeatures("")).toMatchObject({ model: "unknown processor", avx2: false, avx512bf16: false });
});

test("auto chooses bf16 only where the processor computes in it", () => {
  expect(resolvePrecision("auto", "cpu", processor("avx2")).dtype).toBe("float32");
  expect(resolvePrecision("auto", "cpu", processor("avx2 avx512f")).dtype).toBe("float32");
  expect(resolvePrecision("auto", "cpu", processor("avx2 avx512f avx512_bf16")).dtype).toBe("bfloat16");
  expect(resolvePrecision("auto", "cpu", processor("avx2 avx512f amx_bf16")).dtype).toBe("bfloat16");
});

test("every other setting is honoured as given, on any processor", () => {
  for (const features of [processor(""), processor("avx512_bf16")]) {
    expect(resolvePrecision("fp32", "cpu", features).dtype).toBe("float32");
    expect(resolvePrecision("bf16", "cpu", features).dtype).toBe("bfloat16");
    expect(resolvePrecision("fp16", "cuda:0", features).dtype).toBe("float16");
  }
});
