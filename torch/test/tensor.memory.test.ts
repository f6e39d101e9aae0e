import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { scope, tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { native } from "../src/tensor/native.ts";
import { collect } from "./collect.ts";

describe("a tensor whose size changes", () => {
  test("parts from the typed array that shares its memory, and each keeps its own", () => {
    scope(() => {
      const x = torch.ones([4]);
      const shared = x.asTyped() as Float32Array;
      torch.call("aten::resize_", x, [1_000_000]);
      collect();
      shared[0] = 5;
      expect(x.narrow(0, 0, 4).tolist()).toEqual([1, 1, 1, 1]);
      expect([...shared]).toEqual([5, 1, 1, 1]);
      expect((x.asTyped() as Float32Array).length).toBe(1_000_000);
      const large = torch.ones([1_000_000]);
      const out = torch.ones([2, 2]);
      out.asTyped();
      torch.call("aten::add.out", large, large, { out });
      expect(out.sum().item()).toBe(2_000_000);
    });
  });

  test("may do so after its elements were written into a file or read by another thread", async () => {
    const folder = mkdtempSync(join(tmpdir(), "penumbra-resize-"));
    const x = torch.ones([400_000]);
    try {
      torch.safetensors.write(join(folder, "x.safetensors"), { x });
      const reading = x.data();
      torch.call("aten::resize_", x, [10_000_000]); // while the other thread reads
      x.zero_();
      expect((await reading).length).toBe(400_000);
      expect(x.shape).toEqual([10_000_000]);
    } finally {
      x.dispose();
      rmSync(folder, { recursive: true });
    }
  });

  test("reaches no further than its memory when there is none for the new size", () => {
    scope(() => {
      const x = torch.ones([2, 2]);
      expect(() => torch.call("aten::resize_", x, [1e13])).toThrow(/allocate/);
      expect(x.shape).toEqual([4]);
      expect(x.sum().item()).toBe(4);
    });
  });
});

describe("a typed array that shares a tensor's memory", () => {
  test("shows what the tensor gets and gives it what it is given, at any place in the memory", () => {
    scope(() => {
      const x = torch.arange(6).reshape([2, 3]);
      const row = x.at(1);
      const shared = row.asTyped() as BigInt64Array;
      expect([...shared]).toEqual([3n, 4n, 5n]);
      shared[0] = 30n;
      x.add_(1);
      expect(x.tolist()).toEqual([
        [1, 2, 3],
        [31, 5, 6],
      ]);
      expect([...shared]).toEqual([31n, 5n, 6n]);
      expect(x.asTyped().buffer).toBe(shared.buffer);
      expect(torch.zeros([2], { dtype: "complex64" }).asTyped().length).toBe(4);
      expect(torch.zeros([0]).asTyped().length).toBe(0);
    });
  });

  test("lives as long as either needs it", () => {
    const shared = scope(() => torch.full([1000], 3).asTyped() as Float32Array);
    collect();
    expect(shared.every((value) => value === 3)).toBe(true);
    const x = torch.full([1000], 4);
    x.asTyped();
    collect();
    expect(x.sum().item()).toBe(4000);
    x.dispose();
  });

  test("cannot move away from under the tensor", () => {
    scope(() => {
      const { buffer } = torch.ones([3]).asTyped();
      try {
        structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }); // Node 20 copies it, 22 throws
      } catch (error) {
        expect(error).toMatchObject({ name: "DataCloneError" });
      }
      const movable = buffer as ArrayBuffer & { transfer(): ArrayBuffer };
      expect(() => movable.transfer()).toThrow(/cannot move/);
      expect(buffer.byteLength).toBe(12);
    });
  });
});

describe("reading elements", () => {
  test.each([0, 1, 10, 1_000_000])("of %d on another thread gives what toTyped gives", async (size) => {
    const x = torch
      .arange(2 * size)
      .reshape([2, size])
      .t();
    const pending = x.data();
    const expected = x.toTyped();
    x.dispose(); // the other thread has its own hold
    expect(Buffer.from((await pending).buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  test("on another thread leaves the event loop free, and fails as toTyped does", async () => {
    const x = torch.ones([1000, 20_000]).t(); // to be put in order: slow
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const read = await x.data();
    clearInterval(timer);
    expect(read.length).toBe(2e7);
    expect(turns).toBeGreaterThan(3);
    x.dispose();
    await expect(x.data()).rejects.toThrow(/disposed/);
    await expect(torch.ones([2]).toSparse().data()).rejects.toThrow(/toDense/);
    await expect(torch.ones([2]).quantizePerTensor(0.5, 0, "qint8").data()).rejects.toThrow(/dequantize/);
  });

  test("that is a small copy does not go over another thread", async () => {
    const x = torch.ones([2, 100_000]);
    let turns = 0;
    const turn = setImmediate(() => {
      turns += 1;
    });
    expect((await x.data()).length).toBe(200_000);
    expect(turns).toBe(0);
    await x.t().data(); // to be put in order
    expect(turns).toBe(1);
    clearImmediate(turn);
    x.dispose();
  });

  test.each([10, 1_000_000])("of %d into a given array is what comes without it", async (size) => {
    const x = torch
      .arange(2 * size)
      .reshape([2, size])
      .t()
      .conj();
    const expected = x.toTyped() as BigInt64Array;
    const into = new BigInt64Array(2 * size);
    expect(x.toTyped({ into })).toBe(into);
    expect(Buffer.from(into.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    const longer = new BigInt64Array(new SharedArrayBuffer(8 * (2 * size + 7)), 16).fill(-1n);
    const part = await x.data({ into: longer });
    expect(part.buffer).toBe(longer.buffer);
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    expect(bytes.equals(Buffer.from(expected.buffer))).toBe(true);
    expect([...longer.subarray(2 * size)]).toEqual([-1n, -1n, -1n, -1n, -1n]);
    x.dispose();
  });

  test("into an array takes every kind that holds the dtype, and the tensor's own memory", () => {
    scope(() => {
      const pixels = torch.arange(6, { dtype: "uint8" });
      for (const into of [new Uint8ClampedArray(6), Buffer.alloc(6), new Uint8Array(6)]) {
        expect([...pixels.toTyped({ into })]).toEqual([0, 1, 2, 3, 4, 5]);
      }
      expect([
        ...torch
          .ones([1])
          .to("bfloat16")
          .toTyped({ into: new Uint16Array(1) }),
      ]).toEqual([0x3f80]);
      expect(torch.zeros([0]).toTyped({ into: new Float32Array(3) }).length).toBe(0);
      const square = torch.arange(4).reshape([2, 2]);
      expect([...square.t().toTyped({ into: square.asTyped() as BigInt64Array })]).toEqual([0n, 2n, 1n, 3n]);
      expect(square.t().tolist()).toEqual([
        [0, 1],
        [2, 3],
      ]);
    });
  });

  test("into an array of another kind, too short, or that another thread could lose is refused", async () => {
    const x = torch.ones([3]);
    expect(() => x.toTyped({ into: new Float64Array(3) })).toThrow(/Float64Array.*Float32Array/);
    expect(() => x.toTyped({ into: new Float32Array(2) })).toThrow(/holds 2 elements.*has 3/);
    const detached = new Float32Array(3);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(() => x.toTyped({ into: detached })).toThrow(/holds 0 elements/);
    expect(() => x.toTyped({ into: [1, 2, 3] as unknown as Float32Array })).toThrow(/typed array/);
    await expect(x.data({ into: new Float32Array(3) })).rejects.toThrow(/SharedArrayBuffer/);
    await expect(x.data({ into: new Float64Array(new SharedArrayBuffer(24)) })).rejects.toThrow(
      /Float32Array/,
    );
    await expect(x.data({ into: 3 as unknown as Float32Array })).rejects.toThrow(/typed array/);
    x.dispose();
  });

  test("gives a copy for small and large tensors, contiguous or not", () => {
    scope(() => {
      for (const size of [10, 1_000_000]) {
        for (const x of [
          torch.ones([size]),
          torch.ones([size, 2]).transpose(0, 1),
          torch.ones([1]).expand([size]),
        ]) {
          const copy = x.toTyped() as Float32Array;
          expect(copy.length).toBe(x.numel);
          copy.fill(7);
          expect(x.max().item()).toBe(1);
        }
        const x = torch.zeros([size]);
        const copy = x.toTyped();
        x.add_(1);
        expect(copy.every((value) => value === 0)).toBe(true);
        expect(torch.call("aten::resize_", x, [size * 2])).toBe(x); // a copy does not hold on to its source
      }
    });
  });

  test("of a quantized tensor says how to convert it", () => {
    scope(() => {
      const x = torch.ones([3]).quantizePerTensor(0.5, 0, "qint8");
      expect(() => x.toTyped()).toThrow(/qint8.*dequantize/);
      expect(x.dequantize().tolist()).toEqual([1, 1, 1]);
    });
  });

  test("works for zeros that have no memory", () => {
    scope(() => {
      const zeros = torch.call("aten::_efficientzerotensor", [3]) as torch.Tensor;
      expect(zeros.tolist()).toEqual([0, 0, 0]);
      expect(() => zeros.asTyped()).toThrow(/toTyped/);
    });
  });
});

describe("a gradient that is assigned", () => {
  test("has its tensor's shape, dtype and device, and is another tensor", () => {
    scope(() => {
      const w = torch.ones([2, 3]).requiresGrad_();
      for (const wrong of [torch.ones([3, 2]), torch.ones([1]), torch.ones([2, 3], { dtype: "float64" })]) {
        expect(() => {
          w.grad = wrong;
        }).toThrow(/does not belong to a tensor of float32\[2, 3\]/);
      }
      expect(() => {
        w.grad = torch.ones([2, 3], { device: "meta" });
      }).toThrow(/on meta/);
      expect(() => {
        w.grad = w;
      }).toThrow(/own gradient/);
      expect(w.grad).toBeNull();
      w.grad = torch.ones([2, 3]);
      expect(w.grad?.shape).toEqual([2, 3]);
    });
  });
});

describe("numbers that a dtype cannot hold", () => {
  test("are refused by tensor(), and fractions are cut off", () => {
    scope(() => {
      const refused: [number, torch.DType][] = [
        [300, "uint8"],
        [-1, "uint8"],
        [128, "int8"],
        [2 ** 31, "int32"],
        [2 ** 63, "int64"],
        [Number.NaN, "int64"],
        [Number.POSITIVE_INFINITY, "int32"],
        [-1, "uint16"],
      ];
      for (const [value, dtype] of refused)
        expect(() => tensor([0, value], { dtype })).toThrow(/does not fit/);
      expect(tensor([255.9, -0.9], { dtype: "uint8" }).tolist()).toEqual([255, 0]);
      expect(tensor([-128, 127], { dtype: "int8" }).tolist()).toEqual([-128, 127]);
    });
  });

  test("are refused as bigints too, where the typed array would wrap around", () => {
    scope(() => {
      for (const value of [2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n])
        expect(() => tensor([value])).toThrow(/is not in/);
      expect(() => tensor([-1n], { dtype: "uint64" })).toThrow(/is not in/);
      const large = tensor([2n ** 64n - 1n], { dtype: "uint64" });
      expect(large.toTyped()).toEqual(BigUint64Array.of(2n ** 64n - 1n));
    });
  });

  test("full takes every kind of scalar", () => {
    scope(() => {
      expect(torch.full([1], 2n ** 60n).toTyped()).toEqual(BigInt64Array.of(2n ** 60n));
      const complex = torch.full([2], { real: 1, imag: -2 });
      expect([complex.dtype, complex.viewAsReal().tolist()]).toEqual([
        "complex64",
        [
          [1, -2],
          [1, -2],
        ],
      ]);
    });
  });
});

describe("the addon's entries", () => {
  test("refuse numbers that are no slots, and values of other types", () => {
    const packet = native.packet("aten::add");
    for (const number of [-1, 0, 2 ** 31 - 1, 123_456_789]) {
      expect(() => native.direct(packet, number, number)).toThrow(torch.TorchError);
      expect(() => native.directScalar(packet, number, 1)).toThrow(torch.TorchError);
    }
    expect(() => native.direct(2 ** 30, 1)).toThrow(/no operator/);
    expect(() => native.packet(5 as unknown as string)).toThrow(/A string was expected/);
    native.free(Int32Array.of(-5, 0, 2 ** 30), 3);
  });
});
