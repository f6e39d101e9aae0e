import { expect, test } from "vitest";
import { cpuFeatures, resolvePrecision } from "../../src/library/index.ts";

const processor = (flags: string) =>
  cpuFeatures(`processor\t: 0\nmodel name\t: Test CPU\nflags\t\t: fpu ${flags}\n`);

const auto = (flags: string, env = {}) => resolvePrecision("auto", "cpu", processor(flags), env);

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
  expect(auto("avx2").dtype).toBe("float32");
  expect(auto("avx2 avx512f").dtype).toBe("float32");
  expect(auto("avx2 avx512f avx512_bf16").dtype).toBe("bfloat16");
  expect(auto("avx2 avx512f amx_bf16").dtype).toBe("bfloat16");
});

test("auto follows a limit on oneDNN's instructions, the newer name of it first", () => {
  const flags = "avx2 avx512f avx512_bf16 amx_bf16";
  const held = auto(flags, { DNNL_MAX_CPU_ISA: "AVX2" });
  expect(held).toEqual({
    dtype: "float32",
    reason: "fp32: DNNL_MAX_CPU_ISA=AVX2 allows no bf16 instructions",
  });
  expect(auto(flags, { DNNL_MAX_CPU_ISA: "avx512_core_vnni" }).dtype).toBe("float32");
  for (const isa of ["", "DEFAULT", "AVX512_CORE_BF16", "AVX512_CORE_AMX"]) {
    expect(auto(flags, { DNNL_MAX_CPU_ISA: isa }).dtype).toBe("bfloat16");
  }
  expect(auto(flags, { ONEDNN_MAX_CPU_ISA: "ALL", DNNL_MAX_CPU_ISA: "AVX2" }).dtype).toBe("bfloat16");
  expect(
    resolvePrecision("bf16", "cpu", processor(flags), { DNNL_MAX_CPU_ISA: "AVX2" }).dtype,
    "every other setting is honoured as given",
  ).toBe("bfloat16");
});

test("every other setting is honoured as given, on any processor", () => {
  for (const features of [processor(""), processor("avx512_bf16")]) {
    expect(resolvePrecision("fp32", "cpu", features).dtype).toBe("float32");
    expect(resolvePrecision("bf16", "cpu", features).dtype).toBe("bfloat16");
    expect(resolvePrecision("fp16", "cuda:0", features).dtype).toBe("float16");
  }
});
