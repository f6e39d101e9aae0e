import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Random, safetensors, scope } from "../../src/index.ts";
import { fixturePath } from "../reference.ts";

const FILES = 2000;
const folder = mkdtempSync(join(tmpdir(), "mutated-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "a.safetensors");
const good = readFileSync(fixturePath("dtypes.safetensors"));
const headerEnd = 8 + Number(good.readBigUInt64LE(0));
const header = good.toString("utf8", 8, headerEnd);

const parts = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "0",
  "-1",
  "1e9",
  "9007199254740993",
  "null",
  "true",
  "\\",
  " ",
  "\u0000",
];

/** Changes the header's text and writes the length that belongs to it. */
function withHeader(change: (text: string) => string): Buffer {
  const json = Buffer.from(change(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, good.subarray(headerEnd)]);
}

const mutations: ((random: Random) => Buffer)[] = [
  // a byte of length or header
  (random) => {
    const bytes = Buffer.from(good);
    for (let i = random.int(3); i >= 0; i--) bytes[random.int(headerEnd)] = random.int(256);
    return bytes;
  },
  // one bit anywhere
  (random) => {
    const bytes = Buffer.from(good);
    bytes[random.int(bytes.length)]! ^= 2 ** random.int(8);
    return bytes;
  },
  // cut off
  (random) => good.subarray(0, random.int(good.length)),
  // something after the end
  (random) => Buffer.concat([good, Buffer.alloc(1 + random.int(40), random.int(256))]),
  // a piece of JSON put in, or in place of some characters
  (random) =>
    withHeader((text) => {
      const at = random.int(text.length);
      return text.slice(0, at) + random.choice(parts) + text.slice(at + random.int(4));
    }),
  // another number in place of one of the numbers
  (random) =>
    withHeader((text) => {
      const numbers = [...text.matchAll(/\d+/g)];
      const { index, 0: digits } = random.choice(numbers);
      const other = random.choice([
        random.int(300),
        -1,
        0,
        2 ** 31,
        2 ** 53,
        Number(digits) + 1,
        Number(digits) * 2,
      ]);
      return text.slice(0, index) + other + text.slice(index + digits.length);
    }),
  // another dtype
  (random) =>
    withHeader((text) =>
      text.replace(
        random.choice(["F32", "I64", "BOOL", "F8_E4M3", "U16"]),
        random.choice(["F64", "I8", "C64", "F4", ""]),
      ),
    ),
  // a part of the header twice
  (random) =>
    withHeader((text) => {
      const begin = random.int(text.length);
      const piece = text.slice(begin, begin + random.int(120));
      const at = random.int(text.length);
      return text.slice(0, at) + piece + text.slice(at);
    }),
];

test(`${FILES} mutated headers and truncated files are each refused with a reason or read, mapped and streamed alike`, () => {
  const random = new Random("mutated safetensors");
  const counts = { refused: 0, read: 0 };
  for (let i = 0; i < FILES; i++) {
    writeFileSync(path, mutations[i % mutations.length]!(random));
    const outcomes = [true, false].map((mapped) => {
      try {
        return scope(() => {
          const { tensors } = safetensors.read(path, { mapped });
          // Every element is read, so that a place outside of the file could not stay hidden.
          return Object.values(tensors).map((values) => [
            values.dtype,
            values.shape,
            values.to("complex64").abs().sum().item(),
          ]);
        });
      } catch (error) {
        expect(error).toBeInstanceOf(safetensors.SafetensorsError);
        const { message, file, field } = error as safetensors.SafetensorsError;
        expect(message.startsWith(`${file}: ${field}: `)).toBe(true);
        return message;
      }
    });
    expect(outcomes[1]).toEqual(outcomes[0]);
    counts[typeof outcomes[0] === "string" ? "refused" : "read"] += 1;
  }
  // Bits of the data, of names and of metadata may change without breaking the format.
  expect(counts.refused).toBeGreaterThan(FILES / 2);
  expect(counts.read).toBeGreaterThan(FILES / 20);
});
