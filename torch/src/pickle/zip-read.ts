import { DAMAGED, PickleError } from "./error.ts";
import { readInto } from "./source.ts";

/** Where the bytes of a file lie in an archive that compresses nothing. */
export interface ZipEntry {
  readonly name: string;
  /** First byte of the content, counted from the beginning of the archive. */
  readonly begin: number;
  readonly size: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const IN_EXTRA_16 = 0xffff;
const IN_EXTRA_32 = 0xffffffff;
/** More is no file of torch.save: a million names of tensors take some 100 MB. */
const MOST_DIRECTORY_BYTES = 2 ** 28;

/**
 * The entries of a zip archive as torch.save writes it (APPNOTE 6.3: nothing compressed, zip64 for what is large), by
 * their names without the folder that all are in.
 * @throws PickleError for everything that breaks the format
 */
export function readZip(descriptor: number, size: number, file: string): Map<string, ZipEntry> {
  const fail = (problem: string): never => {
    throw new PickleError(file, "zip directory", problem, DAMAGED);
  };
  const read = (begin: number, length: number): Buffer => {
    if (begin < 0 || length < 0 || begin + length > size) fail(`reaches beyond the file's ${size} bytes.`);
    const bytes = Buffer.alloc(length);
    readInto(descriptor, bytes, begin, file, "zip directory");
    return bytes;
  };
  const wide = (bytes: Buffer, offset: number): number => {
    const value = bytes.readBigUInt64LE(offset);
    return value > BigInt(size) ? fail(`names byte ${value} of a file of ${size}.`) : Number(value);
  };

  const { count, length, begin } = findDirectory();
  if (length > MOST_DIRECTORY_BYTES) fail(`has ${length} bytes.`);
  const directory = read(begin, length);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== CENTRAL)
      fail(`entry ${i + 1} of ${count} is none.`);
    const method = directory.readUInt16LE(at + 10);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((o) => directory.readUInt16LE(at + o));
    const next = at + 46 + nameLength! + extraLength! + commentLength!;
    if (next > directory.length) fail(`entry ${i + 1} of ${count} ends beyond the directory.`);
    const name = directory.toString("utf8", at + 46, at + 46 + nameLength!);
    if (method !== 0)
      fail(`"${name}" is compressed, which torch.save never does; unpack and pack it without compression.`);
    const sizes = {
      stored: directory.readUInt32LE(at + 20),
      real: directory.readUInt32LE(at + 24),
      header: directory.readUInt32LE(at + 42),
    };
    widen(sizes, directory.subarray(at + 46 + nameLength!, at + 46 + nameLength! + extraLength!));
    if (sizes.stored !== sizes.real) fail(`"${name}" has two sizes.`);
    const inner = name.slice(name.indexOf("/") + 1);
    if (entries.has(inner)) fail(`"${name}" is there twice.`);
    entries.set(inner, { name, begin: contentOf(name, sizes.header, sizes.real), size: sizes.real });
    at = next;
  }
  return entries;

  function findDirectory(): { count: number; length: number; begin: number } {
    const tail = read(Math.max(0, size - 22 - 65535), Math.min(size, 22 + 65535));
    let end = tail.length - 22;
    while (end >= 0 && tail.readUInt32LE(end) !== END) end--;
    if (end < 0) fail("has no end record: the file is cut off.");
    const count = tail.readUInt16LE(end + 10);
    const length = tail.readUInt32LE(end + 12);
    const begin = tail.readUInt32LE(end + 16);
    if (count !== IN_EXTRA_16 && length !== IN_EXTRA_32 && begin !== IN_EXTRA_32)
      return { count, length, begin };
    if (end < 20 || tail.readUInt32LE(end - 20) !== LOCATOR64) fail("has no zip64 locator.");
    const record = read(wide(tail, end - 20 + 8), 56);
    if (record.readUInt32LE(0) !== END64) fail("has no zip64 end record.");
    return { count: wide(record, 32), length: wide(record, 40), begin: wide(record, 48) };
  }

  /** Sizes of 4 GiB and more stand in the zip64 field of the extra ones, in this order. */
  function widen(sizes: { stored: number; real: number; header: number }, extra: Buffer): void {
    for (let o = 0; o + 4 <= extra.length; o += 4 + extra.readUInt16LE(o + 2)) {
      if (extra.readUInt16LE(o) !== 1) continue;
      let next = o + 4;
      const end = Math.min(extra.length, next + extra.readUInt16LE(o + 2));
      for (const field of ["real", "stored", "header"] as const) {
        if (sizes[field] !== IN_EXTRA_32) continue;
        if (next + 8 > end) fail("has a short zip64 field.");
        sizes[field] = wide(extra, next);
        next += 8;
      }
    }
  }

  function contentOf(name: string, header: number, length: number): number {
    const local = read(header, 30);
    if (local.readUInt32LE(0) !== LOCAL) fail(`"${name}" is not at byte ${header}.`);
    const begin = header + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
    if (begin + length > size) fail(`"${name}" ends beyond the file.`);
    return begin;
  }
}
