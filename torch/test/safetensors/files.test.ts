import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import {
  type DType,
  empty,
  memory,
  ones,
  randn,
  safetensors,
  scope,
  type Tensor,
  tensor,
  version,
  zeros,
} from "../../src/index.ts";
import { storageTypes } from "../../src/safetensors/header.ts";
import { fixturePath } from "../reference.ts";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string): string => join(folder, name);

/** A file in the format, put together by hand. */
function compose(name: string, header: unknown, data: Uint8Array = new Uint8Array(0)): string {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path(name), Buffer.concat([length, json, data]));
  return path(name);
}

/** Dtypes of the format that this version of libtorch does not have. */
const unknownDTypes = [...storageTypes.values()]
  .map(({ dtype }) => dtype)
  .filter((dtype) => {
    try {
      scope(() => empty([0], { dtype }));
      return false;
    } catch {
      return true;
    }
  });
if (unknownDTypes.length > 0)
  console.log(`Left out: ${unknownDTypes.join(", ")}, which libtorch ${version} does not have.`);

describe.each([true, false])("With `mapped` %s", (mapped) => {
  test("the file of the reference implementation is read: every dtype, an empty tensor, a scalar, metadata", () => {
    const { tensors, metadata } = safetensors.read(fixturePath("dtypes.safetensors"), { mapped });
    expect(metadata).toEqual({ format: "pt", note: "größer" });
    const {
      empty: none,
      scalar,
      ...typed
    } = tensors as Record<string, Tensor> & { empty: Tensor; scalar: Tensor };
    expect(none.shape).toEqual([0, 3]);
    expect([scalar.shape, scalar.item()]).toEqual([[], 2.5]);
    expect(Object.keys(typed).length).toBe(15);
    for (const [name, values] of Object.entries(typed)) {
      expect(values.dtype).toBe(name);
      // bool and float8 hold fewer values: 1 for all but 0, and 96 exactly.
      const expected =
        name === "bool"
          ? [
              [0, 1, 1],
              [1, 1, 1],
            ]
          : [
              [0, 1, 2],
              [3, 5, 96],
            ];
      expect(values.to("float64").tolist(), name).toEqual(expected);
    }
  });

  test("every dtype that the format has comes back as it was written", () => {
    const written: Record<string, Tensor> = {};
    for (const { dtype } of storageTypes.values()) {
      if (unknownDTypes.includes(dtype)) continue;
      const positive = dtype === "float8_e8m0fnu" ? [1, 2, 4, 8, 16] : [0, 1, 2, 3, 4];
      written[dtype] = tensor(positive).to(dtype);
      written[`${dtype}.empty`] = empty([3, 0], { dtype });
      written[`${dtype}.scalar`] = tensor(2).to(dtype);
    }
    safetensors.write(path("all.safetensors"), written);
    const { tensors } = safetensors.read(path("all.safetensors"), { mapped });
    expect(Object.keys(tensors).sort()).toEqual(Object.keys(written).sort());
    for (const [name, back] of Object.entries(tensors)) {
      expect([back.dtype, back.shape]).toEqual([written[name]!.dtype, written[name]!.shape]);
      expect(bits(back), name).toEqual(bits(written[name]!));
    }
  });

  test("a dtype that this libtorch does not have is refused by name", () => {
    for (const [type, { dtype, bytes }] of storageTypes) {
      if (!unknownDTypes.includes(dtype)) continue;
      const header = { a: { dtype: type, shape: [1], data_offsets: [0, bytes] } };
      const file = compose("unknown.safetensors", header, new Uint8Array(bytes));
      expect(() => safetensors.read(file, { mapped })).toThrow(`no dtype "${dtype}"`);
    }
  });

  test("tensors at odd places are read too", () => {
    const data = new Uint8Array(1 + 8 + 4);
    new DataView(data.buffer).setFloat64(1, 2.5, true);
    new DataView(data.buffer).setInt32(9, -7, true);
    const header = {
      a: { dtype: "U8", shape: [1], data_offsets: [0, 1] },
      b: { dtype: "F64", shape: [1], data_offsets: [1, 9] },
      c: { dtype: "I32", shape: [1, 1], data_offsets: [9, 13] },
    };
    for (const padding of ["", " ", "   ", "     "]) {
      const { tensors } = safetensors.read(
        compose("odd.safetensors", JSON.stringify(header) + padding, data),
        { mapped },
      );
      expect([tensors.a!.item(), tensors.b!.item(), tensors.c!.item()]).toEqual([0, 2.5, -7]);
      expect(tensors.b!.add(1).item()).toBe(3.5);
    }
  });

  test("writing to what was read does not change the file", () => {
    safetensors.write(path("own.safetensors"), { a: ones([4]) });
    const before = readFileSync(path("own.safetensors"));
    scope(() => safetensors.read(path("own.safetensors"), { mapped }).tensors.a!.mul_(5));
    expect(readFileSync(path("own.safetensors"))).toEqual(before);
  });

  test("reading leaves no tensors behind beyond those it returns", () => {
    const before = memory().tensors;
    scope(() => void safetensors.read(fixturePath("dtypes.safetensors"), { mapped }));
    expect(memory().tensors).toBeLessThanOrEqual(before); // less where garbage of other tests was collected
    const { tensors } = safetensors.read(fixturePath("dtypes.safetensors"), { mapped });
    expect(memory().tensors).toBeLessThanOrEqual(before + Object.keys(tensors).length);
  });
});

function bits(values: Tensor): number[] {
  return values.numel === 0 ? [] : [...(values.reshape([-1]).view("uint8").toTyped() as Uint8Array)];
}

describe("Writing", () => {
  test("stores what views, transposes, channels-last and shared memory show", () => {
    const base = randn([2, 3, 4, 5]);
    const written = {
      part: base.narrow(3, 1, 2),
      transposed: base.transpose(0, 3),
      channelsLast: base.contiguous({ memoryFormat: "channelsLast" }),
      expanded: ones([1, 3]).expand([4, 3]),
      same: base,
      withHistory: base.clone().requiresGrad_().mul(2),
      conjugate: randn([3], { dtype: "complex64" }).conj(),
    };
    safetensors.write(path("views.safetensors"), written);
    const { tensors } = safetensors.read(path("views.safetensors"));
    for (const [name, value] of Object.entries(written)) expect(tensors[name]!.equal(value), name).toBe(true);
  });

  test("gives any names and texts back", () => {
    const name = fc.string({ unit: "grapheme" }).filter((text) => text !== "__metadata__");
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { maxLength: 5 }),
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" })),
        (names, texts) => {
          scope(() => {
            const written = Object.fromEntries(names.map((key, i) => [key, zeros([i])]));
            safetensors.write(path("names.safetensors"), written, texts);
            const { tensors, metadata } = safetensors.read(path("names.safetensors"));
            expect(Object.keys(tensors).sort()).toEqual([...names].sort());
            expect(Object.entries(metadata).sort()).toEqual(Object.entries(texts).sort());
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  test("puts the data on a multiple of eight and larger elements first, so that all can be mapped", () => {
    const names = ["int8", "float64", "float16", "bool", "float32"] as DType[];
    safetensors.write(
      path("aligned.safetensors"),
      Object.fromEntries(names.map((dtype) => [dtype, ones([3], { dtype })])),
    );
    for (const { begin, end } of safetensors.readHeader(path("aligned.safetensors")).tensors) {
      expect(begin % ((end - begin) / 3)).toBe(0);
    }
  });

  test("replaces a file as a whole and leaves nothing else in the folder", () => {
    const target = mkdtempSync(join(folder, "replace-"));
    for (const value of [1, 2]) {
      safetensors.write(join(target, "a.safetensors"), { a: ones([3]).mul(value) });
      expect(readdirSync(target)).toEqual(["a.safetensors"]);
    }
    const mapped = safetensors.read(join(target, "a.safetensors")).tensors.a!;
    safetensors.write(join(target, "a.safetensors"), { a: zeros([3]) });
    expect(mapped.toNumbers()).toEqual([2, 2, 2]); // what was mapped before is what was read
  });

  const refusals: [string, () => void, RegExp][] = [
    ["a dtype that the format lacks", () => safetensors.write(path("no"), { a: zeros([1], { dtype: "complex128" }) }), /tensor "a": the format has no dtype complex128\. Convert/],
    ["the reserved name", () => safetensors.write(path("no"), { __metadata__: zeros([1]) }), /reserves/],
    ["metadata that is no string", () => safetensors.write(path("no"), {}, { steps: 3 as unknown as string }), /"steps": is no string/],
    ["a folder that is not there", () => safetensors.write(join(folder, "none", "a.safetensors"), {}), /cannot be written.*Check the folder/],
  ]; // biome-ignore format: a table
  test.each(refusals)("refuses %s, and leaves nothing behind", (_what, act, message) => {
    const before = readdirSync(folder);
    expect(act).toThrow(safetensors.SafetensorsError);
    expect(act).toThrow(message);
    expect(readdirSync(folder)).toEqual(before);
  });

  test("that fails in the middle leaves the old file and nothing else", () => {
    const target = mkdtempSync(join(folder, "failing-"));
    safetensors.write(join(target, "a.safetensors"), { a: ones([3]) });
    const disposed = zeros([2]);
    const broken = { a: zeros([3]), get b(): Tensor { return disposed; } }; // biome-ignore format: one line
    disposed.dispose();
    expect(() => safetensors.write(join(target, "a.safetensors"), broken)).toThrow();
    expect(readdirSync(target)).toEqual(["a.safetensors"]);
    expect(safetensors.read(join(target, "a.safetensors")).tensors.a!.toNumbers()).toEqual([1, 1, 1]);
  });
});

describe("Shards", () => {
  const shards = mkdtempSync(join(folder, "shards-"));
  const index = join(shards, "model.safetensors.index.json");
  safetensors.write(join(shards, "model-1.safetensors"), { a: ones([2]), b: zeros([1]) }, { format: "pt" });
  safetensors.write(join(shards, "model-2.safetensors"), { c: ones([3]).mul(3) });
  const use = (weightMap: unknown) =>
    writeFileSync(index, JSON.stringify({ metadata: {}, weight_map: weightMap }));
  const whole = { a: "model-1.safetensors", b: "model-1.safetensors", c: "model-2.safetensors" };

  test.each(["model.safetensors.index.json", "model.safetensors"])("are read together by %s", (name) => {
    use(whole);
    const { tensors, metadata } = safetensors.read(join(shards, name));
    expect(
      Object.fromEntries(Object.entries(tensors).map(([key, value]) => [key, value.toNumbers()])),
    ).toEqual({
      a: [1, 1],
      b: [0],
      c: [3, 3, 3],
    });
    expect(metadata).toEqual({ format: "pt" });
  });

  const refusals: [string, () => void, RegExp][] = [
    ["that lack a tensor of the index", () => use({ ...whole, d: "model-2.safetensors" }), /tensor "d": is not in model-2/],
    ["that are not there", () => use({ ...whole, d: "model-3.safetensors" }), /model-3\.safetensors: file: cannot be opened/],
    ["in another folder", () => use({ a: "../secret.safetensors" }), /weight_map, "a".*no safetensors file in the same folder/],
    ["that are no file names", () => use({ a: 3 }), /weight_map, "a": 3 names no/],
    ["without a weight_map", () => use(undefined), /weight_map: is missing/],
    ["whose weight_map is a list", () => use([]), /weight_map: is missing or no object/],
    ["whose index is no JSON", () => writeFileSync(index, "{"), /index: cannot be read/],
    ["whose index names a tensor twice", () => writeFileSync(index, '{"weight_map":{"a":"model-1.safetensors","a":"model-2.safetensors"}}'), /"a" occurs twice/],
  ]; // biome-ignore format: a table
  test.each(refusals)("%s are refused", (_what, prepare, message) => {
    prepare();
    expect(() => safetensors.read(index)).toThrow(safetensors.SafetensorsError);
    expect(() => safetensors.read(index)).toThrow(message);
  });

  test("that both hold a tensor are refused", () => {
    safetensors.write(join(shards, "model-4.safetensors"), { a: ones([2]), e: ones([1]) });
    use({ ...whole, e: "model-4.safetensors" });
    expect(() => safetensors.read(index)).toThrow(
      /tensor "a": is in model-4\.safetensors and in another shard/,
    );
  });
});

describe("Reading refuses", () => {
  test("a file that is not there, and a folder", () => {
    expect(() => safetensors.read(path("none.safetensors"))).toThrow(
      /none\.safetensors: file: cannot be opened .*ENOENT/,
    );
    expect(() => safetensors.read(folder)).toThrow(/it is a folder/);
  });

  test("an empty file, and one that is cut off anywhere", () => {
    writeFileSync(path("empty.safetensors"), "");
    expect(() => safetensors.read(path("empty.safetensors"))).toThrow(/0 bytes, fewer than the 8/);
    const bytes = readFileSync(fixturePath("dtypes.safetensors"));
    for (let length = 0; length < bytes.length; length += 7) {
      writeFileSync(path("cut.safetensors"), bytes.subarray(0, length));
      expect(() => safetensors.read(path("cut.safetensors"))).toThrow(safetensors.SafetensorsError);
    }
  });

  test("nothing where a link leads to a good file", () => {
    symlinkSync(fixturePath("dtypes.safetensors"), path("link.safetensors"));
    expect(Object.keys(safetensors.read(path("link.safetensors")).tensors).length).toBe(17);
  });
});

test("what is no file is refused at once, where opening a named pipe would wait for its writer", () => {
  const [pipe, index] = [path("pipe.safetensors"), path("pipe.safetensors.index.json")];
  execFileSync("mkfifo", [pipe, index]);
  symlinkSync(pipe, path("link-to-pipe.safetensors"));
  for (const place of [pipe, path("link-to-pipe.safetensors"), "/dev/zero"]) {
    expect(() => safetensors.read(place)).toThrow(/file: cannot be opened \(it is a pipe or a device/);
    expect(() => safetensors.readHeader(place)).toThrow(safetensors.SafetensorsError);
  }
  expect(() => safetensors.read(index)).toThrow(/index: cannot be read \(it is a pipe/);
  expect(() => safetensors.read(folder)).toThrow(/file: cannot be opened \(it is a folder/);
});
