import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { aot, TorchError } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";

const fixtures = join(import.meta.dirname, "fixtures", "aot");
const file = join(fixtures, "mlp.pt2");
const { cases } = JSON.parse(readFileSync(join(fixtures, "mlp.json"), "utf8")) as {
  cases: { x: number[][]; scale: number[]; outputs: [number[][], number[]] }[];
};

/** A package holds machine code. The fixture's is for x86-64, with the C library of 2021 or later; see fixtures/aot.py. */
function unavailable(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64")
    return `compiled for Linux on x64, not ${process.arch}`;
  const glibc = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
    .glibcVersionRuntime;
  if (!glibc || Number(glibc.split(".")[1]) < 34) return `needs glibc 2.34; this is ${glibc ?? "none"}`;
  const [major, minor] = torch.version().split(".").map(Number) as [number, number];
  if (major === 2 && minor < 13) return `compiled by PyTorch 2.13, and this is libtorch ${torch.version()}`;
  return undefined;
}

const reason = unavailable();
if (reason) console.log(`aot.test.ts: the compiled network is left out: ${reason}.`);

const aside = mkdtempSync(join(tmpdir(), "penumbra-aot-"));
afterAll(() => rmSync(aside, { recursive: true }));

describe.skipIf(reason !== undefined)("a network that AOTInductor has compiled", () => {
  test("gives what it gives in Python, for every size of the dynamic dimension", () => {
    const network = aot.load(file);
    for (const { x, scale, outputs } of cases) {
      const results = network.run(torch.tensor(x), torch.tensor(scale));
      expect(results).toHaveLength(2);
      for (const [i, result] of results.entries()) {
        const expected = torch.tensor(outputs[i]!);
        expect(result.shape).toEqual(expected.shape);
        expect(result.sub(expected).abs().max().item()).toBeLessThan(1e-5); // float32 sums in another order
        expect(result.requiresGrad).toBe(false);
      }
    }
  });

  test("says what it takes and gives, which weights it has and what it was compiled for", () => {
    const network = aot.load(file);
    expect([network.inputs, network.outputs]).toEqual([2, 2]);
    expect([...network.constants].sort()).toEqual(["hidden.weight", "out.weight"]);
    expect(network.metadata).toMatchObject({ AOTI_DEVICE_KEY: "cpu", AOTI_PLATFORM: "linux" });
  });

  test("refuses inputs that it was not compiled for, and goes on", () => {
    const network = aot.load(file);
    const [x, scale] = [torch.ones([2, 4]), torch.ones([1])];
    const refused: [torch.Tensor[], RegExp][] = [
      [[x], /was given 1 tensors, and the network takes 2/],
      [
        [torch.ones([2, 5]), scale],
        /failed with float32\[2, 5\], float32\[1\]: .*unmatched dim value at 1, expected: 4, but got: 5/,
      ],
      [[torch.ones([100, 4]), scale], /failed with float32\[100, 4\].*too large/],
      [[x.to("float64"), scale], /failed with float64\[2, 4\].*unmatched dtype/],
      [[torch.ones([4, 2]).t(), scale], /unmatched stride value.*Pass contiguous tensors/],
      [[torch.ones([8]), scale], /failed with float32\[8\]/],
    ];
    for (const [inputs, message] of refused) {
      expect(() => network.run(...inputs)).toThrow(TorchError);
      expect(() => network.run(...inputs)).toThrow(message);
    }
    expect(network.run(x, scale)[0]!.shape).toEqual([2, 3]);
  });

  test("takes its memory back, and says so when it is used afterwards", () => {
    const network = aot.load(file);
    const before = torch.memory().tensors;
    torch.scope(() => void network.run(torch.ones([2, 4]), torch.ones([1])));
    expect(torch.memory().tensors).toBe(before);
    network.dispose();
    expect(() => network.run(torch.ones([2, 4]), torch.ones([1]))).toThrow(/disposed/);
  });

  test("a name that the package does not hold is refused", () => {
    expect(() => aot.load(file, { name: "other" })).toThrow(/cannot be loaded as a package of AOTInductor/);
  });
});

test("what is no package is refused by its path", () => {
  expect(() => aot.load(join(aside, "nowhere.pt2"))).toThrow(/nowhere\.pt2 does not exist/);
  const other = join(aside, "other.pt2");
  writeFileSync(other, "no archive");
  expect(() => aot.load(other)).toThrow(TorchError);
  expect(existsSync(other)).toBe(true);
  const short = join(aside, "short.pt2");
  copyFileSync(file, short);
  writeFileSync(short, readFileSync(file).subarray(0, 1000));
  expect(() => aot.load(short)).toThrow(/short\.pt2 cannot be loaded/);
});
