import * as torch from "@penumbra/torch";
import { scope, type Tensor, tensor } from "@penumbra/torch";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

describe("typed arrays", () => {
  test.each<[torch.DType, torch.TypedArray]>([
    ["float32", Float32Array.of(1.5, -0, Number.NaN, Number.POSITIVE_INFINITY)],
    ["float64", Float64Array.of(Math.PI, -1e-300, 5e-324)],
    ["int64", BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n), 7n)],
    ["int32", Int32Array.of(2 ** 31 - 1, -(2 ** 31))],
    ["int16", Int16Array.of(32767, -32768)],
    ["int8", Int8Array.of(127, -128)],
    ["uint8", Uint8Array.of(0, 255)],
    ["uint16", Uint16Array.of(0, 65535)],
    ["uint32", Uint32Array.of(0, 2 ** 32 - 1)],
    ["uint64", BigUint64Array.of(0n, 2n ** 64n - 1n)],
    ["bool", Uint8Array.of(0, 1, 1)],
    ["float16", Uint16Array.of(0x3c00, 0xc000, 0x7bff)],
    ["bfloat16", Uint16Array.of(0x3f80, 0xc000, 0x7f7f)],
    ["complex64", Float32Array.of(1, 2, 3, -4)],
    ["complex128", Float64Array.of(1, 2, 3, -4)],
    ["float8_e4m3fn", Uint8Array.of(0x38, 0xc0)],
    ["float8_e5m2", Uint8Array.of(0x3c, 0xc0)],
  ])("%s goes in and comes out bit for bit", (dtype, array) => {
    scope(() => {
      const length = dtype.startsWith("complex") ? array.length / 2 : array.length;
      const x = torch.fromTyped(array, [length], { dtype });
      expect([x.dtype, x.shape, x.itemSize]).toEqual([dtype, [length], array.byteLength / length]);
      const bits = (one: torch.TypedArray) => new Uint8Array(one.buffer, one.byteOffset, one.byteLength);
      expect(bits(x.toTyped())).toEqual(bits(array));
      expect(bits(x.clone().reshape([1, length]).toTyped())).toEqual(bits(array));
    });
  });

  test("float16 and bfloat16 come as the bits of their values", () => {
    scope(() => {
      const x = tensor([1, -2, 65504]);
      expect([...(x.to("float16").toTyped() as Uint16Array)]).toEqual([0x3c00, 0xc000, 0x7bff]);
      expect([...(x.to("bfloat16").toTyped() as Uint16Array)]).toEqual([0x3f80, 0xc000, 0x4780]);
      expect(x.to("bfloat16").toNumbers()).toEqual([1, -2, 65536]);
    });
  });

  test("fromTyped copies, takes views of larger buffers, and reinterprets bytes", () => {
    scope(() => {
      const source = Float32Array.of(0, 1, 2, 3, 4);
      const x = torch.fromTyped(source.subarray(1, 4), [3]);
      source.fill(9);
      expect(x.tolist()).toEqual([1, 2, 3]);
      const same = torch.fromTyped(new Uint8Array(x.toTyped().buffer), [3], { dtype: "float32" });
      expect(same.tolist()).toEqual([1, 2, 3]);
    });
  });

  test("toTyped gives row-major order whatever the strides", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 4 }), (shape) => {
        scope(() => {
          const count = shape.reduce((a, b) => a * b, 1);
          const x = torch.arange(count, { dtype: "int32" }).reshape(shape).transpose(0, -1);
          expect([...(x.toTyped() as Int32Array)]).toEqual(x.tolist() && (x.tolist() as number[]).flat(9));
          if (shape.length === 4) {
            const y = x.to({ memoryFormat: "channelsLast" });
            expect(y.toTyped()).toEqual(x.toTyped());
          }
        });
      }),
      { seed: 20261124 },
    );
  });

  test("asTyped shares memory both ways, and keeps it alive", () => {
    const array = scope(() => {
      const x = torch.zeros([2, 2]);
      const shared = x.asTyped() as Float32Array;
      shared[3] = 7;
      expect(x.tolist()).toEqual([
        [0, 0],
        [0, 7],
      ]);
      x.add_(1);
      expect([...shared]).toEqual([1, 1, 1, 8]);
      return shared;
    });
    scope(() => torch.ones([1000]));
    expect([...array]).toEqual([1, 1, 1, 8]);
    scope(() => {
      expect(torch.zeros([0]).asTyped().length).toBe(0);
      expect(() => torch.ones([2, 3]).transpose(0, 1).asTyped()).toThrow(/contiguous/);
    });
  });
});

describe("tensor()", () => {
  test("reads nested numbers, booleans and bigints", () => {
    scope(() => {
      const cases: [Tensor, string, readonly number[], unknown][] = [
        [tensor(3.5), "float32", [], 3.5],
        [
          tensor([
            [1, 2],
            [3, 4],
            [5, 6],
          ]),
          "float32",
          [3, 2],
          [
            [1, 2],
            [3, 4],
            [5, 6],
          ],
        ],
        [tensor([true, false]), "bool", [2], [1, 0]],
        [tensor([[2n ** 40n]]), "int64", [1, 1], [[2 ** 40]]],
        [tensor([]), "float32", [0], []],
        [tensor([[], []]), "float32", [2, 0], [[], []]],
        [tensor([0.1], { dtype: "float64" }), "float64", [1], [0.1]],
        [tensor([1.9, -1.9], { dtype: "int64" }), "int64", [2], [1, -1]],
        [tensor([0, 2], { dtype: "bool" }), "bool", [2], [0, 1]],
        [tensor(Int16Array.of(1, 2)), "int16", [2], [1, 2]],
      ];
      for (const [x, dtype, shape, list] of cases) {
        expect([x.dtype, x.shape]).toEqual([dtype, shape]);
        expect(x.tolist()).toEqual(list);
      }
      expect(tensor([1], { requiresGrad: true }).requiresGrad).toBe(true);
    });
  });

  test("full fills, with the dtype of its value", () => {
    scope(() => {
      expect(torch.full([2], 2).dtype).toBe("float32");
      expect(torch.full([2], true).dtype).toBe("bool");
      expect(torch.full([2], 2, { dtype: "int64" }).toTyped()).toEqual(BigInt64Array.of(2n, 2n));
    });
  });
});

describe("a tensor", () => {
  test("tells its properties", () => {
    scope(() => {
      const x = torch.zeros([2, 3, 4], { dtype: "float16" });
      expect([x.shape, x.ndim, x.numel, x.dtype, x.device, x.itemSize]).toEqual([
        [2, 3, 4],
        3,
        24,
        "float16",
        "cpu",
        2,
      ]);
      expect([x.creator, x.relu().creator, tensor([1]).creator]).toEqual(["aten::zeros", "aten::relu", null]);
    });
  });

  test("reads itself as numbers", () => {
    scope(() => {
      expect(tensor(2.5).item()).toBe(2.5);
      expect(tensor(true).item()).toBe(1);
      expect(tensor([3n]).item()).toBe(3);
      const wide = tensor([2n ** 64n - 1n], { dtype: "uint64" });
      expect(wide.item()).toBe(2 ** 64);
      const asScalar = () => torch.call("aten::item", wide);
      if (torch.version().startsWith("2.6.")) expect(asScalar).toThrow(/aten::item.*overflow/);
      else expect(asScalar()).toBe(2n ** 64n - 1n);
      expect(torch.call("aten::item", tensor([2n ** 62n]))).toBe(2n ** 62n);
      expect(torch.arange(4).reshape([2, 2]).tolist()).toEqual([
        [0, 1],
        [2, 3],
      ]);
      expect(tensor([1, -2]).to("bfloat16").toNumbers()).toEqual([1, -2]);
      expect(tensor([true, false]).toNumbers()).toEqual([1, 0]);
    });
  });

  test("`where` keeps its elements where the condition is true, as torch.where(condition, x, other) does", () => {
    const x = tensor([1, 2, 3]).requiresGrad_();
    const condition = tensor([true, false, true]);
    expect(x.where(condition, tensor([7, 8, 9])).tolist()).toEqual([1, 8, 3]);
    expect(x.where(condition, -1).tolist()).toEqual([1, -1, 3]);
    x.where(condition, 0).sum().backward();
    expect(x.grad!.tolist()).toEqual([1, 0, 1]);
    expect(() => x.where(x, 0)).toThrow(/aten::where/);
    expect(() => x.where(tensor([true, false]), 0)).toThrow(/float32\[3\]/);
  });

  test("moves and converts by `to`, and stays itself where nothing changes", () => {
    scope(() => {
      const x = tensor([1, 2]);
      expect(x.to("float64").dtype).toBe("float64");
      expect(x.to({ dtype: "int32", device: "cpu" }).tolist()).toEqual([1, 2]);
      x.to("float32").add_(1);
      expect(x.tolist()).toEqual([2, 3]); // no copy was made
      x.to({ dtype: "float32", copy: true }).add_(1);
      expect(x.tolist()).toEqual([2, 3]);
      expect(x.to("meta").device).toBe("meta");
    });
  });

  test("works in place and gives itself back, in the general and in the short way", () => {
    scope(() => {
      const x = tensor([1, 4]);
      expect(x.add_(1)).toBe(x);
      expect(x.mul_(tensor([2, 2]))).toBe(x);
      expect(x.sqrt_()).toBe(x);
      expect(x.addcmul_(tensor([1, 1]), tensor([2, 2]), { value: 0.5 })).toBe(x);
      expect(x.clamp_({ max: 4 })).toBe(x);
      expect(x.tolist()).toEqual([3, 4]);
      const out = torch.zeros([2]);
      expect(torch.call("aten::add.out", x, x, { out })).toBe(out);
      expect(out.tolist()).toEqual([6, 8]);
    });
  });

  test("takes numbers and tensors where ATen has both overloads, and whole numbers keep integers whole", () => {
    scope(() => {
      const ints = tensor([7n, -7n]);
      expect(ints.add(1).dtype).toBe("int64");
      expect(ints.add(0.5).dtype).toBe("float32");
      expect(ints.mul(tensor(2n)).dtype).toBe("int64");
      expect(ints.div(2).tolist()).toEqual([3.5, -3.5]);
      expect(ints.eq(7).tolist()).toEqual([1, 0]);
      expect(ints.pow(2n).tolist()).toEqual([49, 49]);
      expect(tensor([2, 3]).mul(true).tolist()).toEqual([2, 3]);
      expect(tensor([1, 2]).mul({ real: 0, imag: 1 }).dtype).toBe("complex64");
      // -0 is no whole number to ATen
      expect(Object.is(tensor([5]).mul(-0).item(), -0)).toBe(true);
    });
  });

  test("operators with several results give an array", () => {
    scope(() => {
      const [values, indices] = tensor([3, 9, 1]).max(0);
      expect([values.item(), indices.item(), indices.dtype]).toEqual([9, 1, "int64"]);
      const parts = torch.arange(5).split(2);
      expect(parts.map((part) => part.tolist())).toEqual([[0, 1], [2, 3], [4]]);
    });
  });

  test("lists, options and broadcasts of one number reach the operator", () => {
    scope(() => {
      const x = torch.arange(16, { dtype: "float32" }).reshape([1, 1, 4, 4]);
      expect(x.maxPool2d(2).flatten().tolist()).toEqual([5, 7, 13, 15]);
      expect(x.maxPool2d([2, 2], { stride: 1 }).shape).toEqual([1, 1, 3, 3]);
      expect(x.sum([2, 3], { keepdim: true, dtype: "float64" }).dtype).toBe("float64");
      expect(x.sum(undefined as never).item()).toBe(120); // an absent option
      expect(x.clamp({ min: null, max: 3 }).max().item()).toBe(3);
    });
  });
});

describe("generators", () => {
  const draw = (generator: torch.Generator) => torch.randn([50], { generator }).toTyped();

  test("repeat themselves from a seed and from a state", () => {
    scope(() => {
      const generator = new torch.Generator({ seed: 42 });
      const first = draw(generator);
      const state = generator.getState();
      const second = draw(generator);
      expect(second).not.toEqual(first);
      expect(draw(generator.setState(state))).toEqual(second);
      expect(draw(generator.manualSeed(42))).toEqual(first);
      expect(draw(new torch.Generator({ seed: 42n }))).toEqual(first);
      expect(draw(new torch.Generator({ seed: 43 }))).not.toEqual(first);
      expect(generator.device).toBe("cpu");
      expect([state.dtype, state.ndim]).toEqual(["uint8", 1]);
    });
  });

  test("draw PyTorch's numbers", () => {
    // torch.manual_seed(0); torch.rand(3), torch 2.13 (the Mersenne Twister is the same in all versions)
    scope(() => {
      torch.manualSeed(0);
      const numbers = torch.rand([3]).toNumbers();
      [0.4962566, 0.7682219, 0.0884774].forEach((expected, i) => {
        expect(numbers[i]).toBeCloseTo(expected, 6);
      });
    });
  });

  test("are independent of the default one, which manualSeed sets", () => {
    scope(() => {
      torch.manualSeed(1);
      const plain = torch.rand([4]).toTyped();
      torch.manualSeed(1);
      draw(new torch.Generator({ seed: 9 }));
      expect(torch.rand([4]).toTyped()).toEqual(plain);
      torch.defaultGenerator().manualSeed(1);
      expect(torch.rand([4]).toTyped()).toEqual(plain);
    });
  });

  test("take every seed below 2^64 and no other", () => {
    for (const seed of [0, 2 ** 53 - 1, 2n ** 64n - 1n])
      expect(() => new torch.Generator({ seed })).not.toThrow();
    for (const seed of [-1, 0.5, 2 ** 53, 2n ** 64n, Number.NaN]) {
      expect(() => new torch.Generator({ seed })).toThrow(/seed/);
    }
  });
});

describe("settings", () => {
  test("threads can be read and set", () => {
    const before = torch.getNumThreads();
    torch.setNumThreads(2);
    expect(torch.getNumThreads()).toBe(2);
    torch.setNumThreads(before);
  });

  test("deterministic mode refuses what has no deterministic form, and is left again", () => {
    torch.useDeterministicAlgorithms(true);
    try {
      scope(() => {
        const x = torch.zeros([4]);
        const put = () => x.put_(tensor([1], { dtype: "int64" }), tensor([1]), { accumulate: false });
        expect(put).toThrow(/deterministic/);
      });
    } finally {
      torch.useDeterministicAlgorithms(false);
    }
  });

  test("the version and the build can be read", () => {
    expect(torch.version()).toMatch(/^2\.\d+\.\d+/);
    expect(torch.information().parallel).toContain("at::get_num_threads");
    expect(torch.cuda.deviceCount()).toBeGreaterThanOrEqual(0);
    if (!torch.cuda.isAvailable()) {
      expect(() => torch.cuda.synchronize()).toThrow(/doctor/);
      expect(() => torch.cuda.memoryStats()).toThrow(/no device "cuda:0"/);
      const isOld = /^2\.[0-8]\./.test(torch.version());
      if (isOld) expect(() => torch.cuda.emptyCache()).toThrow(/Use 2\.9 or newer/);
      else expect(() => torch.cuda.emptyCache()).not.toThrow();
    }
    expect(() => torch.cuda.memoryStats(-1)).toThrow(/cuda:-1/);
  });
});
