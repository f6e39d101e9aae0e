import { spawnSync } from "node:child_process";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";

/** Runs a script that prints what it is about to do and at the end the numbers of refusals and of legal calls. */
function runChild(script: string, args: string[]): { refused: number; legal: number } {
  const child = join(import.meta.dirname, script);
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--conditions=source", child, ...args],
    { encoding: "utf8", maxBuffer: 2 ** 26 },
  );
  const last = stdout.trim().split("\n").at(-1)!;
  // The last line names the call that ended the process.
  expect({ status, signal, last, stderr: status === 0 ? "" : stderr }).toMatchObject({
    status: 0,
    last: expect.stringMatching(/^done \d+ \d+$/),
  });
  const [, refused, legal] = last.split(" ").map(Number);
  return { refused: refused!, legal: legal! };
}

describe("wrong arguments are refused", () => {
  test("2,000 random calls: each an error or a legal result, never a crash", () => {
    const { refused, legal } = runChild("wrong-arguments.child.ts", ["20261124", "0", "2000"]);
    expect(refused + legal).toBe(2000);
    expect(refused).toBeGreaterThan(1000);
    expect(legal).toBeGreaterThan(100);
  });

  test("2,000 wrong uses of layers, optimizers, indices, generators and files: never a crash", () => {
    const { refused, legal } = runChild("wrong-uses.child.ts", ["20261124", "2000"]);
    expect(refused + legal).toBeGreaterThanOrEqual(2000);
    expect(refused).toBeGreaterThan(1000);
    expect(legal).toBeGreaterThan(100);
  });

  const x = torch.ones([2, 3]);
  const circle: unknown[] = [];
  circle.push(circle);

  test("an error shows arguments of every kind, named ones by their names, and none of undefined", () => {
    const described = (...args: unknown[]): string | undefined => {
      try {
        torch.call("aten::add", ...args);
      } catch (error) {
        return (error as torch.TorchError).arguments;
      }
      return undefined;
    };
    const gone = torch.ones([1]);
    gone.dispose();
    const many = Array.from({ length: 9 }, (_, i) => i);
    expect(described(1.5, true, null, 2n, "text", [x, [1]], many, { real: 1, imag: 2 }, new Map())).toBe(
      '1.5, true, null, 2n, "text", [float32[2, 3], […]], [0, 1, 2, 3, 4, 5, 6, 7, …], complex number, object',
    );
    expect(described(new torch.Generator({ seed: 1 }), { alpha: "a", out: undefined })).toBe(
      'Generator, alpha: "a"',
    );
    expect(described([gone])).toBe("[disposed tensor]");
    expect(described()).toBe("");
  });

  test("an error carries operator, schema, and the arguments' dtypes and shapes", () => {
    const attempt = () => x.mm(torch.ones([2, 3], { dtype: "float64" }));
    expect(attempt).toThrow(torch.TorchError);
    try {
      attempt();
    } catch (error) {
      expect(error).toMatchObject({
        operator: "aten::mm",
        schema: "aten::mm(Tensor self, Tensor mat2) -> Tensor",
        arguments: "float32[2, 3], float64[2, 3]",
      });
      expect(String(error)).toMatch(
        /expected m1 and m2 to have the same dtype|same dtype|shapes cannot be multiplied/,
      );
      expect(String(error)).not.toMatch(/frame #|C\+\+ CapturedTraceback/);
    }
  });

  test.each<[string, () => unknown, RegExp]>([
    ["an unknown operator", () => torch.call("aten::frobnicate", x), /no operator aten::frobnicate/],
    ["an unknown overload", () => torch.call("aten::add.Nothing", x, x), /no overload "Nothing"/],
    ["an unknown option", () => x.sum({ dims: 1 } as never), /no overload.*aten::sum/s],
    ["too many arguments", () => (x.relu as (...a: unknown[]) => unknown)(x, x, x, x), /no overload/],
    ["a number for a tensor", () => torch.call("aten::mm", x, 5), /no overload/],
    ["a fraction for an integer", () => x.sum([0.5]), /no overload/],
    ["an unknown dtype", () => x.to({ dtype: "float31" as never }), /no dtype "float31".*float32/],
    ["an unknown device", () => x.to("gpu"), /Unknown device "gpu"/],
    [
      "a layout that is none",
      () => torch.zeros([2], { layout: "dense" as never }),
      /no layout "dense".*strided/,
    ],
    ["a bigint beyond 64 bits", () => x.add(2n ** 70n), /64 bits/],
    ["a shape that no machine holds", () => torch.zeros([1e15, 1e15]), /aten::zeros/],
    ["negative sizes", () => torch.zeros([-1]), /aten::zeros/],
    [
      "bytes that do not fill a shape",
      () => torch.fromTyped(new Float32Array(3), [2, 2]),
      /12 bytes.*need 16/,
    ],
    ["a shape beyond 64 bits", () => torch.fromTyped(new Float32Array(0), [2 ** 40, 2 ** 40]), /need/],
    ["ragged arrays", () => torch.tensor([[1, 2], [3]]), /ragged/],
    ["mixed kinds", () => torch.tensor([1, true]), /mixes/],
    ["a string as an element", () => torch.tensor(["a"] as never), /string is no element/],
    ["item() of many elements", () => x.item(), /aten::item/],
    ["backward without a graph", () => x.sum().backward(), /does not require grad/],
    ["a seed that is none", () => torch.manualSeed(-1), /seed/],
    ["a state that is none", () => new torch.Generator({ seed: 1 }).setState(x), torch.TorchError as never],
    ["no threads", () => torch.setNumThreads(0), /is 0; it must be a whole number from 1/],
    ["more threads than a system makes", () => torch.setNumThreads(2 ** 31 - 1), /from 1 to 1024/],
    ["an array in a circle", () => torch.tensor(circle as never), /in a circle/],
    [
      "a list of four billion holes",
      () => torch.call("aten::index.Tensor", x, new Array(4e9)),
      /longer than/,
    ],
    [
      "a shape of four billion holes",
      () => torch.fromTyped(new Float32Array(0), new Array(4e9)),
      /at most 64/,
    ],
    ["a shape with a hole", () => torch.fromTyped(new Float32Array(0), new Array(1)), /whole numbers/],
    ["a shape below 0", () => torch.fromTyped(new Float32Array(1), [-1, -1]), /\[-1,-1\].*whole numbers/],
    ["an array as an index", () => x.at([0, 1] as never), /An array is no index.*Make it a tensor/],
    ["a boolean as an index", () => x.at(true as never), /true is no index/],
    ["an object as an index", () => x.setAt({} as never, 1), /is no index/],
    ["an undefined index", () => x.at(undefined as never), /undefined is no index/],
    ["a number for a target", () => x.to(5 as never), /to\(\) was given 5/],
    ["an unknown option of `to`", () => x.to({ dtyp: "int64" } as never), /no overload/],
    ["complex numbers as plain ones", () => torch.ones([1], { dtype: "complex64" }).item(), /complex/],
    ["reading without a copy what is not contiguous", () => x.transpose(0, 1).asTyped(), /toTyped/],
  ])("%s", (_, attempt, message) => {
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(torch.TorchError);
  });

  test("objects that pretend to be tensors are none", () => {
    for (const foreign of [
      {},
      Object.create(torch.Tensor.prototype),
      new (class Tensor {})(),
      new Proxy({}, {}),
    ]) {
      expect(() => x.add(foreign as torch.Tensor)).toThrow(torch.TorchError);
    }
    expect(() => torch.Tensor.prototype.relu.call({} as torch.Tensor)).toThrow(torch.TorchError);
  });
});
