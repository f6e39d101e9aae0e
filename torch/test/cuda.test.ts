import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { nn, optim, type Tensor, TorchError } from "@penumbra/torch";
import { beforeAll, describe, expect, test } from "vitest";
import { native } from "../src/tensor/native.ts";

const gpu = torch.cuda.isAvailable();
if (!gpu)
  console.log(
    "Skipped: the tests on an NVIDIA GPU, because this machine (or this build of libtorch) has none.",
  );

/** The largest difference, relative to the largest expected magnitude. */
function difference(actual: Tensor, expected: Tensor): number {
  return torch.scope(() => {
    const a = actual.detach().to({ device: "cpu", dtype: "float64" });
    const b = expected.detach().to({ device: "cpu", dtype: "float64" });
    return a.sub(b).abs().max().item() / Math.max(b.abs().max().item(), 1e-30);
  });
}

/** A small network with the operators of the real ones: loss and the gradients of input and weights. */
function step(
  input: Tensor,
  weights: readonly Tensor[],
  target: Tensor,
): { loss: Tensor; gradients: Tensor[] } {
  const x = input.detach().requiresGrad_();
  const [kernel, scale, shift, projection] = weights.map((w) => w.detach().requiresGrad_());
  const features = torch
    .groupNorm(torch.conv2d(x, kernel!, { padding: [1, 1], stride: [2, 2] }), 4, {
      weight: scale,
      bias: shift,
    })
    .silu()
    .flatten({ startDim: 2 })
    .transpose(1, 2); // [B, T, C]
  const attended = torch.scaledDotProductAttention(features, features, features);
  const loss = attended.mean([1]).matmul(projection!).crossEntropyLoss(target, { labelSmoothing: 0.1 });
  return { loss, gradients: torch.grad(loss, [x, kernel!, scale!, shift!, projection!]) };
}

function example(dtype: torch.DType): { input: Tensor; weights: Tensor[]; target: Tensor } {
  const generator = new torch.Generator({ seed: 1 });
  const draw = (shape: number[]) => torch.randn(shape, { generator, dtype });
  return {
    input: draw([4, 3, 16, 16]),
    weights: [draw([16, 3, 3, 3]).mul(0.3), draw([16]).mul(0.1).add(1), draw([16]).mul(0.1), draw([16, 5])],
    target: torch.tensor([0, 3, 4, 1], { dtype: "int64" }),
  };
}

test.skipIf(gpu)("without a GPU nothing can be recorded, and the reason is said", () => {
  let calls = 0;
  const call = () => {
    calls += 1;
  };
  expect(() => torch.cuda.capture(call)).toThrow(/no device "cuda:0".*doctor/);
  expect(() => native.beginGraph(0)).toThrow(/CUDA graphs need an NVIDIA GPU and a CUDA build/);
  expect(() => native.replayGraph({})).toThrow(/Expected a CUDA graph/);
  expect(calls).toBe(0);
});

describe.skipIf(!gpu)("on an NVIDIA GPU", () => {
  // TF32 keeps 10 bits of the mantissa; the comparisons below are of float32.
  beforeAll(() => torch.cuda.setTf32(false));

  test.each([
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "uint8",
    "bool",
    "complex64",
  ] as const)("%s tensors come back from the device as they went", (dtype) => {
    torch.scope(() => {
      const x = torch.arange(24).reshape([2, 3, 4]).to(dtype);
      const there = x.to("cuda");
      expect(there.device).toBe("cuda:0");
      expect(there.dtype).toBe(dtype);
      expect(there.toTyped()).toEqual(x.toTyped());
      expect(there.to("cpu").transpose(0, 2).toTyped()).toEqual(there.transpose(0, 2).toTyped());
    });
  });

  // float64 leaves only the order of summation; float32 of sums over some 2,000 products.
  test.each([
    ["float64", 1e-10],
    ["float32", 1e-4],
  ] as const)(
    "convolution, norm, attention and their gradients equal the CPU's in %s",
    (dtype, tolerance) => {
      torch.scope(() => {
        const { input, weights, target } = example(dtype);
        const expected = step(input, weights, target);
        const actual = step(
          input.to("cuda"),
          weights.map((w) => w.to("cuda")),
          target.to("cuda"),
        );
        expect(actual.loss.device).toBe("cuda:0");
        expect(difference(actual.loss, expected.loss)).toBeLessThan(tolerance);
        actual.gradients.forEach((gradient, i) => {
          expect(difference(gradient, expected.gradients[i]!)).toBeLessThan(tolerance);
        });
      });
    },
  );

  // 8 bits of mantissa in bfloat16, 11 in float16, through three layers.
  test.each([
    ["bfloat16", 5e-2],
    ["float16", 1e-2],
  ] as const)(
    "autocast computes products in %s, losses and gradients of weights in float32",
    (dtype, tolerance) => {
      torch.scope(() => {
        const { input, weights, target } = example("float32");
        const expected = step(input, weights, target);
        const on = weights.map((w) => w.to("cuda"));
        const there = [input.to("cuda"), target.to("cuda")] as const;
        torch.autocast({ device: "cuda", dtype }, () => {
          expect(torch.conv2d(there[0], on[0]!).dtype).toBe(dtype);
          const actual = step(there[0], on, there[1]);
          expect(actual.loss.dtype).toBe("float32");
          expect(difference(actual.loss, expected.loss)).toBeLessThan(tolerance);
          for (const gradient of actual.gradients) expect(gradient.dtype).toBe("float32");
        });
        expect(torch.conv2d(there[0], on[0]!).dtype).toBe("float32");
      });
    },
  );

  test("a generator on the device repeats itself from its seed and from its state", () => {
    torch.scope(() => {
      const draw = (generator: torch.Generator) =>
        torch.randn([100], { generator, device: "cuda" }).toTyped();
      const generator = new torch.Generator({ seed: 7, device: "cuda" });
      expect(generator.device).toBe("cuda:0");
      const first = draw(generator);
      const state = generator.getState();
      const second = draw(generator);
      expect(second).not.toEqual(first);
      expect(draw(generator.setState(state))).toEqual(second);
      expect(draw(generator.manualSeed(7))).toEqual(first);
      torch.manualSeed(3);
      const third = torch.rand([10], { device: "cuda" }).toTyped();
      torch.manualSeed(3);
      expect(torch.rand([10], { device: "cuda" }).toTyped()).toEqual(third);
    });
  });

  test("the backward function of a custom operation runs, and its exception arrives as it was thrown", () => {
    torch.scope(() => {
      const x = torch.randn([50], { device: "cuda" }).requiresGrad_();
      const cube = (fail: boolean) =>
        torch.customFunction(
          {
            forward: (v: Tensor) => v.pow(3),
            backward: (g) => {
              if (fail) throw new RangeError("on purpose");
              return g!.mul(x.detach().square()).mul(3);
            },
          },
          x,
        );
      cube(false).sum().backward();
      expect(difference(x.grad!, x.detach().square().mul(3))).toBeLessThan(1e-6);
      expect(() => cube(true).sum().backward()).toThrow(RangeError);
    });
  });

  test("a checkpointed block with dropout gives the plain block's gradients", () => {
    torch.scope(() => {
      const { input, weights } = example("float32");
      const kernel = weights[0]!.to("cuda").requiresGrad_();
      const block = (v: Tensor) => torch.dropout(torch.conv2d(v, kernel).relu(), 0.5, true);
      const run = (forward: (v: Tensor) => Tensor): Tensor[] => {
        torch.manualSeed(11);
        const x = input.to("cuda").requiresGrad_();
        return torch.grad(forward(x).square().sum(), [x, kernel]);
      };
      torch.useDeterministicAlgorithms(true, { warnOnly: true });
      const plain = run(block);
      kernel.grad = null;
      const x = input.to("cuda").requiresGrad_();
      torch.manualSeed(11);
      torch.checkpoint(block, x).square().sum().backward();
      torch.useDeterministicAlgorithms(false);
      expect(difference(x.grad!, plain[0]!)).toBeLessThan(1e-6);
      expect(difference(kernel.grad!, plain[1]!)).toBeLessThan(1e-5);
    });
  });

  test("ten AdamW steps arrive where the CPU's arrive", () => {
    torch.scope(() => {
      const train = (device: string): Tensor[] => {
        torch.manualSeed(5);
        const model = new nn.Sequential(
          new nn.Linear(8, 32),
          new nn.GELU(),
          new nn.LayerNorm([32]),
          new nn.Linear(32, 3),
        );
        const x = torch.randn([64, 8]).to(device);
        const y = torch.randn([64, 3]).to(device);
        model.to({ device });
        const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-2 });
        for (let i = 0; i < 10; i++) {
          torch.scope(() => {
            optimizer.zeroGrad();
            model.forward(x).mseLoss(y).backward();
            optimizer.step();
          });
        }
        return [...model.parameters()].map((p) => p.detach().to("cpu"));
      };
      const expected = train("cpu");
      // Adam divides by the gradient's magnitude: rounding of the smallest gradients shows.
      train("cuda").forEach((p, i) => {
        expect(difference(p, expected[i]!)).toBeLessThan(1e-3);
      });
    });
  });

  test("safetensors are written from the device and read onto it", () => {
    const folder = mkdtempSync(join(tmpdir(), "penumbra-cuda-"));
    try {
      torch.scope(() => {
        const path = join(folder, "model.safetensors");
        const x = torch.randn([3, 5], { device: "cuda" });
        const half = x.to("bfloat16");
        torch.safetensors.write(path, { x, half }, { made: "by a test" });
        const { tensors, metadata } = torch.safetensors.read(path, { device: "cuda" });
        expect(metadata).toMatchObject({ made: "by a test" });
        expect(tensors.x!.device).toBe("cuda:0");
        expect(tensors.x!.toTyped()).toEqual(x.toTyped());
        expect(tensors.half!.toTyped()).toEqual(half.toTyped());
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("indices may lie on either device", () => {
    torch.scope(() => {
      const x = torch.arange(12, { dtype: "float32" }).reshape([3, 4]);
      const there = x.to("cuda");
      const rows = torch.tensor([2, 0], { dtype: "int64" });
      expect(there.at(rows).tolist()).toEqual(x.at(rows).tolist());
      expect(there.at(there.gt(5)).tolist()).toEqual(x.at(x.gt(5)).tolist());
      expect(there.setAt([rows, 1], -1).tolist()).toEqual(x.setAt([rows, 1], -1).tolist());
    });
  });

  test("an operator across devices is an error that shows both", () => {
    torch.scope(() => {
      const there = torch.ones([2, 2], { device: "cuda" });
      const here = torch.ones([2, 2]);
      expect(() => there.mm(here)).toThrow(/cuda:0/);
      expect(String(there)).toBe("tensor([[1., 1.],\n        [1., 1.]], device='cuda:0')");
    });
  });

  test("scopes release the device's memory in a loop that would need 256 GiB", () => {
    for (let i = 0; i < 4096; i++) {
      torch.scope(() => torch.zeros([16, 1024, 1024], { device: "cuda" }).add_(1));
    }
    torch.cuda.synchronize();
  });

  test.skipIf(/^2\.[0-8]\./.test(torch.version()))(
    "the memory statistics follow the tensors, and emptyCache gives back",
    () => {
      torch.cuda.emptyCache();
      const before = torch.cuda.memoryStats();
      torch.scope(() => {
        torch.zeros([64, 1024, 1024], { device: "cuda" }); // 256 MiB
        const during = torch.cuda.memoryStats();
        expect(during.allocated - before.allocated).toBe(2 ** 28);
        expect(during.reserved).toBeGreaterThanOrEqual(during.allocated);
      });
      const after = torch.cuda.memoryStats();
      expect(after.allocated).toBe(before.allocated);
      expect(after.peakAllocated).toBeGreaterThanOrEqual(before.allocated + 2 ** 28);
      torch.cuda.emptyCache();
      expect(torch.cuda.memoryStats().reserved).toBeLessThanOrEqual(after.reserved - 2 ** 28);
    },
  );

  test("a recorded function gives on each replay what it gives when it is called", () => {
    const model = new nn.Sequential(new nn.Linear(8, 16), new nn.ReLU(), new nn.Linear(16, 4)).to("cuda");
    const input = torch.zeros([5, 8], { device: "cuda" });
    const before = torch.memory().tensors;
    const graph = torch.cuda.capture(() => torch.noGrad(() => model.forward(input)));
    for (let turn = 0; turn < 3; turn += 1) {
      torch.scope(() => {
        input.copy_(torch.randn([5, 8]));
        const expected = torch.noGrad(() => model.forward(input));
        expect(difference(graph.replay(), expected)).toBeLessThan(1e-5);
      });
    }
    graph.dispose();
    expect(torch.memory().tensors).toBe(before);
    expect(() => graph.replay()).toThrow(/disposed/);
  });

  test("a function that cannot be recorded throws why, and the next one can be", () => {
    const x = torch.ones([3], { device: "cuda" });
    expect(() => torch.cuda.capture(() => x.sum().item())).toThrow(TorchError);
    const graph = torch.cuda.capture(() => x.add(1));
    expect(graph.replay().tolist()).toEqual([2, 2, 2]);
    graph.dispose();
  });

  test("without a scope the garbage collector releases it in time", () => {
    const before = torch.memory().tensors;
    for (let i = 0; i < 4096; i++) torch.zeros([16, 1024, 1024], { device: "cuda" });
    expect(torch.memory().tensors - before).toBeLessThan(4096);
  });
});
