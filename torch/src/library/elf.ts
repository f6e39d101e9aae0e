import { closeSync, openSync, readSync } from "node:fs";
import { dirname } from "node:path";

/** What a shared library says of its own needs. */
export interface SharedLibrary {
  /** The names of the libraries that are loaded with it (DT_NEEDED). */
  readonly needed: readonly string[];
  /** The folders where it looks for them first (DT_RPATH and DT_RUNPATH), `$ORIGIN` resolved. */
  readonly searched: readonly string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

/**
 * Reads the dynamic section of a 64-bit little-endian ELF file: a few kilobytes, however large the file is.
 * @returns undefined when the file is none, or damaged
 */
export function readSharedLibrary(file: string): SharedLibrary | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return undefined;
  }
  try {
    return dynamicSection(dirname(file), (offset, length) => {
      const bytes = Buffer.alloc(length);
      if (readSync(descriptor, bytes, 0, length, offset) < length)
        throw new RangeError("the file is too short");
      return bytes;
    });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function dynamicSection(
  origin: string,
  read: (offset: number, length: number) => Buffer,
): SharedLibrary | undefined {
  const header = read(0, 64);
  const isElf64 = header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1;
  if (!isElf64) return undefined;
  const word = (bytes: Buffer, offset: number): number => Number(bytes.readBigUInt64LE(offset));
  const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
  const table = read(word(header, 32), size * count);
  const segments = Array.from({ length: count }, (_, i) => ({
    type: table.readUInt32LE(i * size),
    offset: word(table, i * size + 8),
    address: word(table, i * size + 16),
    length: word(table, i * size + 32),
  }));
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (!dynamic) return undefined;
  const bytes = read(dynamic.offset, dynamic.length);
  const entries: { tag: number; value: number }[] = [];
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    const tag = word(bytes, at);
    if (tag === DT_NULL) break;
    entries.push({ tag, value: word(bytes, at + 8) });
  }
  const numberAt = (wanted: number): number => entries.find(({ tag }) => tag === wanted)?.value ?? 0;
  const address = numberAt(DT_STRTAB);
  const segment = segments.find(
    (one) => one.type === PT_LOAD && one.address <= address && address < one.address + one.length,
  );
  if (!segment) return undefined;
  const names = read(segment.offset + address - segment.address, numberAt(DT_STRSZ));
  const textsOf = (...tags: number[]): string[] =>
    entries
      .filter(({ tag }) => tags.includes(tag))
      .map(({ value }) => names.toString("utf8", value, names.indexOf(0, value)));
  return {
    needed: textsOf(DT_NEEDED),
    searched: textsOf(DT_RPATH, DT_RUNPATH)
      .flatMap((paths) => paths.split(":"))
      .map((path) => path.replace(/\$ORIGIN|\$\{ORIGIN\}/g, origin)),
  };
}
