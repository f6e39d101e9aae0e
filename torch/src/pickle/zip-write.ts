import { crc32 } from "node:zlib";
import { writeAll } from "../whole-file.ts";

/** Storages begin at multiples of this, as in PyTorch's files: they can be mapped into memory. */
const ALIGNMENT = 64;
const LOCAL_BYTES = 30;
/** Of the zip64 field in a local header, with its two sizes. */
const ZIP64_BYTES = 20;
const IN_EXTRA = 0xffffffff;
/** 1 January 1980, the first day of the format: equal contents give equal files. */
const DATE = 0x21;
const VERSION = 45;

interface Written {
  readonly name: Buffer;
  readonly header: number;
  readonly size: number;
  readonly checksum: number;
}

/** Writes a zip archive (APPNOTE 6.3) that compresses nothing, with 64-bit sizes throughout as torch.save does. */
export class ZipWriter {
  #position = 0;
  readonly #entries: Written[] = [];

  constructor(readonly descriptor: number) {}

  /** Adds a file, given piece by piece: its checksum is known only then, and put into the header afterwards. */
  add(name: string, size: number, pieces: Iterable<Uint8Array>): void {
    const text = Buffer.from(name, "utf8");
    const header = this.#position;
    const plain = header + LOCAL_BYTES + text.length + ZIP64_BYTES;
    // A field of padding has four bytes of its own.
    const padding = 4 + ((ALIGNMENT - ((plain + 4) % ALIGNMENT)) % ALIGNMENT);
    const head = Buffer.alloc(LOCAL_BYTES + text.length + ZIP64_BYTES + padding);
    this.#write(head);
    let checksum = 0;
    for (const piece of pieces) {
      checksum = crc32(piece, checksum);
      this.#write(piece);
    }
    head.writeUInt32LE(0x04034b50, 0);
    describe(head, 4, checksum, text.length, ZIP64_BYTES + padding);
    text.copy(head, LOCAL_BYTES);
    const extra = LOCAL_BYTES + text.length;
    head.writeUInt16LE(1, extra);
    head.writeUInt16LE(ZIP64_BYTES - 4, extra + 2);
    head.writeBigUInt64LE(BigInt(size), extra + 4);
    head.writeBigUInt64LE(BigInt(size), extra + 12);
    head.write("FB", extra + ZIP64_BYTES, "latin1");
    head.writeUInt16LE(padding - 4, extra + ZIP64_BYTES + 2);
    writeAll(this.descriptor, head, header);
    this.#entries.push({ name: text, header, size, checksum });
  }

  /** Writes the directory. */
  end(): void {
    const begin = this.#position;
    for (const { name, header, size, checksum } of this.#entries) {
      const entry = Buffer.alloc(46 + name.length + 28);
      entry.writeUInt32LE(0x02014b50, 0);
      entry.writeUInt16LE(VERSION, 4);
      describe(entry, 6, checksum, name.length, 28);
      entry.writeUInt32LE(IN_EXTRA, 42);
      name.copy(entry, 46);
      const extra = 46 + name.length;
      entry.writeUInt16LE(1, extra);
      entry.writeUInt16LE(24, extra + 2);
      [size, size, header].forEach((value, i) => {
        entry.writeBigUInt64LE(BigInt(value), extra + 4 + 8 * i);
      });
      this.#write(entry);
    }
    const length = this.#position - begin;
    const count = this.#entries.length;
    const last = Buffer.alloc(56 + 20 + 22);
    last.writeUInt32LE(0x06064b50, 0);
    last.writeBigUInt64LE(44n, 4);
    last.writeUInt16LE(VERSION, 12);
    last.writeUInt16LE(VERSION, 14);
    [count, count, length, begin].forEach((value, i) => {
      last.writeBigUInt64LE(BigInt(value), 24 + 8 * i);
    });
    last.writeUInt32LE(0x07064b50, 56);
    last.writeBigUInt64LE(BigInt(this.#position), 56 + 8);
    last.writeUInt32LE(1, 56 + 16);
    last.writeUInt32LE(0x06054b50, 76);
    const few = Math.min(count, 0xffff);
    last.writeUInt16LE(few, 76 + 8);
    last.writeUInt16LE(few, 76 + 10);
    last.writeUInt32LE(Math.min(length, IN_EXTRA), 76 + 12);
    last.writeUInt32LE(IN_EXTRA, 76 + 16);
    this.#write(last);
  }

  #write(bytes: Uint8Array): void {
    writeAll(this.descriptor, bytes, this.#position);
    this.#position += bytes.length;
  }
}

/** What a local header and the directory's entry have in common, from the version needed on. */
function describe(into: Buffer, at: number, checksum: number, nameLength: number, extraLength: number): void {
  into.writeUInt16LE(VERSION, at);
  into.writeUInt16LE(0x800, at + 2); // names in UTF-8
  into.writeUInt16LE(DATE, at + 8);
  into.writeUInt32LE(checksum, at + 10);
  into.writeUInt32LE(IN_EXTRA, at + 14);
  into.writeUInt32LE(IN_EXTRA, at + 18);
  into.writeUInt16LE(nameLength, at + 22);
  into.writeUInt16LE(extraLength, at + 24);
}
