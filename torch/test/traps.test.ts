import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";

const x = torch.tensor([1, 2]);

describe("what JavaScript would do silently with a tensor throws, with what to do instead", () => {
  test.each<[string, () => unknown, RegExp]>([
    ["a comparison", () => x < torch.ones([1]), /no number.*x\.lt\(y\)/s],
    ["arithmetic", () => (x as unknown as number) * 2, /no number.*x\.add\(y\)/s],
    ["a number", () => Number(x), /no number.*x\.item\(\)/s],
    ["equality with a number", () => Reflect.apply(Function("a", "return a == 1"), null, [x]), /no number/],
    ["a sum with a text", () => ["loss: "].reduce((a, b) => b + a, x as unknown as string), /String\(x\)/],
    ["JSON", () => JSON.stringify({ loss: x }), /no JSON.*tolist/],
    ["structuredClone", () => structuredClone(x), /cannot be cloned or posted.*threads\.give\(x\).*threads\.take.*toTyped/s],
    ["structuredClone of what holds it", () => structuredClone({ model: [x] }), /cannot be cloned or posted/],
    ["postMessage", () => new MessageChannel().port1.postMessage(x), /cannot be cloned or posted/],
    ["a typed array", () => new Float32Array(x as unknown as number[]), /cannot be iterated over.*unbind\(0\)/s],
    ["Array.from", () => Array.from(x as unknown as Iterable<unknown>), /cannot be iterated over/],
    ["brackets", () => (x as unknown as number[])[0], /no property 0.*x\.at\(0\)/],
    ["brackets that write", () => Reflect.apply(Function("a", "a[1] = 5"), null, [x]), /no property 1.*x\.setAt\(1, value\)/],
    ["new Tensor()", () => Reflect.construct(torch.Tensor, [3, -1]), /cannot be made with `new`.*torch\.tensor/],
    ["fromTyped of a DataView", () => torch.fromTyped(new DataView(new ArrayBuffer(4)) as never, [1]), /DataView is no typed array/],
    ["tensor of a DataView", () => torch.tensor(new DataView(new ArrayBuffer(4)) as never), /DataView is no typed array/],
    ["fromTyped of a text", () => torch.fromTyped("ab" as never, [2]), /type string is no typed array/],
  ])("%s", (_, attempt, message) => {
    expect(attempt).toThrow(torch.TorchError);
    expect(attempt).toThrow(message);
  }); // biome-ignore format: a table

  test("its text is that of print", () => {
    expect(`${x}`).toBe("tensor([1., 2.])");
    expect(String(x)).toBe("tensor([1., 2.])");
    expect(["is", x].join(" ")).toBe("is tensor([1., 2.])");
  });
});

test("the dtype of a typed array is read from its tag, whatever realm it is from", () => {
  expect(torch.dtypeOf(Buffer.from("ab"))).toBe("uint8");
  const Float16 = (globalThis as { Float16Array?: new (values: number[]) => Uint16Array }).Float16Array;
  if (Float16)
    expect(
      torch
        .fromTyped(new Float16([1.5, -2]), [2])
        .to("float32")
        .tolist(),
    ).toEqual([1.5, -2]);
  const tagged = Object.defineProperty(new Uint16Array([0x3e00, 0xc000]), Symbol.toStringTag, {
    value: "Float16Array",
  });
  const made = torch.fromTyped(tagged, [2]);
  expect([made.dtype, made.to("float32").tolist()]).toEqual(["float16", [1.5, -2]]);
});

test("full takes every number that uint64 holds, and no other", () => {
  for (const value of [0n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    expect(torch.full([2], value, { dtype: "uint64" }).toTyped()).toEqual(new BigUint64Array([value, value]));
  }
  expect(() => torch.full([2], 2n ** 64n, { dtype: "uint64" })).toThrow(/64 bits/);
  expect(() => torch.full([2], 2n ** 63n)).toThrow(/64 bits/);
});

test("a second copy of the package in the process is named, with the first", () => {
  const folder = mkdtempSync(join(tmpdir(), "second-copy-"));
  try {
    for (const part of ["src", "native"])
      cpSync(join(import.meta.dirname, "..", part), join(folder, part), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    const program = `
      const [first, second] = await Promise.all(process.argv.slice(1).map((url) => import(url)));
      console.log(first.ones([1]).tolist());
      try { second.ones([1]); } catch (error) { console.log(error.name, error.message); }
      console.log(first.ones([1]).tolist());`;
    const urls = [new URL("../src/index.ts", import.meta.url).href, `file://${folder}/src/index.ts`];
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "-e", program, ...urls],
      { encoding: "utf8", cwd: import.meta.dirname },
    );
    expect({ stdout, stderr }).toMatchObject({
      stdout: expect.stringMatching(
        /^\[ 1 \]\nLibraryError Two copies of @penumbra\/torch[\s\S]*second-copy[\s\S]*npm dedupe[\s\S]*\[ 1 \]\n$/,
      ),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
