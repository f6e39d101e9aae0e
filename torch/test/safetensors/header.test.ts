import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SafetensorsError } from "../../src/safetensors/error.ts";
import {
  duplicateKey,
  headerLength,
  MAX_HEADER_BYTES,
  parseHeader,
  storageTypes,
} from "../../src/safetensors/header.ts";

const FILE = "folder/model.safetensors";
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Parses a header as that of a file with `dataBytes` after it. */
function parse(header: unknown, dataBytes: number) {
  const json = bytesOf(typeof header === "string" ? header : JSON.stringify(header));
  return parseHeader(json, 8 + json.length + dataBytes, FILE);
}

function refusal(act: () => unknown): SafetensorsError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(SafetensorsError);
    return error as SafetensorsError;
  }
  throw new Error("was not refused");
}

const entry = (dtype: unknown, shape: unknown, begin: unknown, end: unknown) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe("A header is read", () => {
  test("with its tensors in the order of the file, their places and the metadata", () => {
    const header = {
      __metadata__: { format: "pt" },
      b: entry("I64", [], 24, 32),
      a: entry("F32", [2, 3], 0, 24),
      none: entry("BF16", [0, 7], 32, 32),
    };
    const start = 8 + JSON.stringify(header).length;
    expect(parse(header, 32)).toEqual({
      metadata: { format: "pt" },
      tensors: [
        { name: "a", dtype: "float32", shape: [2, 3], begin: start, end: start + 24 },
        { name: "b", dtype: "int64", shape: [], begin: start + 24, end: start + 32 },
        { name: "none", dtype: "bfloat16", shape: [0, 7], begin: start + 32, end: start + 32 },
      ],
    });
  });

  test("when padded with spaces, and with names that JavaScript's objects know", () => {
    const names = ["__proto__", "constructor", "größer", "", 'quote"\\'];
    const lines = names.map(
      (name, i) => `${JSON.stringify(name)}:${JSON.stringify(entry("U8", [1], i, i + 1))}`,
    );
    expect(parse(`{${lines.join(",")}}   `, names.length).tensors.map(({ name }) => name)).toEqual(names);
  });

  test("for any tensors that follow each other", () => {
    const types = fc.constantFrom(...storageTypes.keys());
    const tensor = fc.tuple(fc.string(), types, fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }));
    fc.assert(
      fc.property(fc.uniqueArray(tensor, { selector: ([name]) => name, maxLength: 12 }), (tensors) => {
        let end = 0;
        const lines = tensors
          .filter(([name]) => name !== "__metadata__")
          .map(([name, type, shape]) => {
            const begin = end;
            end += shape.reduce((product, size) => product * size, storageTypes.get(type)!.bytes);
            return [name, entry(type, shape, begin, end)] as const;
          });
        const read = parse(Object.fromEntries(lines), end).tensors;
        expect(new Set(read.map(({ name }) => name))).toEqual(new Set(lines.map(([name]) => name)));
      }),
    );
  });
});

describe("A header is refused with file, field and remedy when", () => {
  const cases: [what: string, header: unknown, dataBytes: number, field: string, message: RegExp][] = [
    ["it is no JSON", "{", 0, "header", /no JSON/],
    ["it is no UTF-8", "\u{fffe}", 0, "header", /no JSON/],
    ["it is no object", "[]", 0, "header", /no JSON object/],
    ["it is null", "null", 0, "header", /no JSON object/],
    ["metadata is a list", { __metadata__: [] }, 0, "__metadata__", /no object of strings/],
    ["metadata holds a number", { __metadata__: { a: 1 } }, 0, '__metadata__, "a"', /no string/],
    ["a tensor is a number", { a: 1 }, 0, 'tensor "a"', /no object/],
    ["the dtype is missing", { a: { shape: [], data_offsets: [0, 4] } }, 4, 'tensor "a", dtype', /missing/],
    ["the dtype is a number", { a: entry(1, [], 0, 4) }, 4, 'tensor "a", dtype', /no string/],
    ["the dtype is unknown", { a: entry("F31", [], 0, 4) }, 4, 'tensor "a", dtype', /"F31" is not supported.*F64, F32/],
    ["the dtype is of four bits", { a: entry("F4", [2], 0, 1) }, 1, 'tensor "a", dtype', /"F4" is not supported/],
    ["the dtype is a word of JavaScript", { a: entry("constructor", [], 0, 4) }, 4, 'tensor "a", dtype', /not supported/],
    ["the shape is missing", { a: { dtype: "F32", data_offsets: [0, 4] } }, 4, 'tensor "a", shape', /missing/],
    ["a size is negative", { a: entry("F32", [-1], 0, 4) }, 4, 'tensor "a", shape', /whole numbers from 0/],
    ["a size is a fraction", { a: entry("F32", [0.5], 0, 2) }, 2, 'tensor "a", shape', /whole numbers/],
    ["a size is a text", { a: entry("F32", ["1"], 0, 4) }, 4, 'tensor "a", shape', /whole numbers/],
    ["a size is beyond 2^53", `{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,1]}}`, 1, 'tensor "a", shape', /whole/],
    ["sizes multiply beyond any file", { a: entry("F32", [2 ** 40, 2 ** 40], 0, 4) }, 4, 'tensor "a", shape', /more elements/],
    ["sizes overflow beside a 0", { a: entry("F32", [0, 2 ** 52, 2 ** 52], 0, 0) }, 0, 'tensor "a", shape', /more elements/],
    ["offsets are missing", { a: { dtype: "F32", shape: [] } }, 4, 'tensor "a", data_offsets', /missing/],
    ["there are three offsets", { a: { dtype: "F32", shape: [], data_offsets: [0, 4, 4] } }, 4, 'tensor "a", data_offsets', /no pair/],
    ["an offset is negative", { a: entry("F32", [], -4, 0) }, 4, 'tensor "a", data_offsets', /from 0/],
    ["the end is before the begin", { a: entry("F32", [], 4, 0) }, 4, 'tensor "a", data_offsets', /end \(0\) before begin \(4\)/],
    ["the size does not fit dtype and shape", { a: entry("F32", [2], 0, 4) }, 4, 'tensor "a", data_offsets', /span 4 bytes.*needs 8/],
    ["tensors overlap", { a: entry("U8", [4], 0, 4), b: entry("U8", [4], 2, 6) }, 6, 'tensor "b", data_offsets', /overlaps by 2/],
    ["tensors leave a gap", { a: entry("U8", [4], 0, 4), b: entry("U8", [2], 6, 8) }, 8, 'tensor "b", data_offsets', /gap of 2/],
    ["the first tensor leaves a gap", { a: entry("U8", [4], 2, 6) }, 6, 'tensor "a", data_offsets', /gap of 2/],
    ["the last tensor ends beyond the file", { a: entry("U8", [9], 0, 9) }, 5, 'tensor "a", data_offsets', /but the file has/],
    ["bytes follow the last tensor", { a: entry("U8", [4], 0, 4) }, 9, 'tensor "a", data_offsets', /but the file has/],
    ["bytes follow although there are no tensors", {}, 3, "header", /but the file has/],
    ["a name occurs twice", `{"a":${JSON.stringify(entry("U8", [1], 0, 1))},"\\u0061":${JSON.stringify(entry("U8", [1], 0, 1))}}`, 1, "header", /"a" occurs twice/],
    ["a field occurs twice", `{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1, "header", /"dtype" occurs twice/],
  ]; // biome-ignore format: a table
  test.each(cases)("%s", (_what, header, dataBytes, field, message) => {
    const error = refusal(() => parse(header, dataBytes));
    expect(error.file).toBe(FILE);
    expect(error.field).toBe(field);
    expect(error.message.startsWith(`${FILE}: ${field}: `)).toBe(true);
    expect(error.message).toMatch(message);
  });

  test("it is invalid UTF-8", () => {
    const json = Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d);
    expect(refusal(() => parseHeader(json, 8 + json.length, FILE)).message).toMatch(/no JSON in UTF-8/);
  });
});

describe("The length of a header is refused when", () => {
  const length = (value: bigint, fileSize: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    return () => headerLength(bytes, fileSize, FILE);
  };
  test("the file is shorter than the field", () => {
    expect(refusal(() => headerLength(new Uint8Array(5), 5, FILE)).message).toMatch(
      /5 bytes, fewer than the 8/,
    );
    expect(refusal(() => headerLength(new Uint8Array(0), 0, FILE)).field).toBe("header length");
  });
  test("it reaches beyond the file", () => {
    expect(refusal(length(100n, 107)).message).toMatch(/100 bytes are more than the 99 that follow/);
    expect(length(100n, 108)()).toBe(100);
  });
  test("it is over 100 MB, however large the file is", () => {
    expect(refusal(length(BigInt(MAX_HEADER_BYTES) + 1n, 2 ** 40)).message).toMatch(
      /more than the 100000000 allowed/,
    );
    expect(refusal(length(2n ** 64n - 1n, 2 ** 40)).message).toMatch(/18446744073709551615 bytes/);
  });
});

test("Duplicate keys are found in any JSON, and only within one object", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => {
      // What JSON.stringify wrote has no duplicates.
      expect(duplicateKey(text)).toBeUndefined();
      expect(duplicateKey(`{"x":${text},"y":{"x":[${text}]},"x":0}`)).toBe("x");
      expect(duplicateKey(`[{"k":"k","l":["k","k"]},{"k":${text}}]`)).toBeUndefined();
    }),
  );
});
