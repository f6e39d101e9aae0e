import { readSync } from "node:fs";
import { DAMAGED, PickleError } from "./error.ts";

/** Bytes read from a file at once, so that a large file is never in memory as a whole. */
const WINDOW = 1 << 16;

/** A part of an open file, read from its beginning to its end. */
export class ByteSource {
  readonly #descriptor: number;
  readonly #end: number;
  #window = Buffer.alloc(0);
  #windowBegin: number;
  #position: number;

  /**
   * @param begin first byte, counted from the beginning of the file
   * @param end the byte after the last one
   * @param file its name, for errors
   * @param part what is read, for errors
   */
  constructor(
    descriptor: number,
    begin: number,
    end: number,
    readonly file: string,
    readonly part: string,
  ) {
    this.#descriptor = descriptor;
    this.#windowBegin = this.#position = begin;
    this.#end = end;
  }

  /** Where in the file the next byte is. */
  get position(): number {
    return this.#position;
  }

  /** The next `count` bytes; they are valid until the next call. @throws PickleError where there are fewer */
  take(count: number): Buffer {
    if (count > this.#end - this.#position)
      this.fail(`ends where ${count} more bytes should be (it has ${this.#end - this.#position}).`);
    let offset = this.#position - this.#windowBegin;
    if (offset + count > this.#window.length) {
      this.#window = Buffer.alloc(Math.min(Math.max(WINDOW, count), this.#end - this.#position));
      readInto(this.#descriptor, this.#window, this.#position, this.file, this.part);
      this.#windowBegin = this.#position;
      offset = 0;
    }
    this.#position += count;
    return this.#window.subarray(offset, offset + count);
  }

  skip(count: number): void {
    if (count > this.#end - this.#position) this.fail(`ends within ${count} bytes of data.`);
    this.#position += count;
    this.#windowBegin = this.#position;
    this.#window = Buffer.alloc(0);
  }

  /** The text up to the next line feed, which is no part of it. */
  line(): string {
    const bytes: number[] = [];
    for (;;) {
      const byte = this.take(1)[0]!;
      if (byte === 10) return Buffer.from(bytes).toString("utf8");
      if (bytes.push(byte) > MOST_NAME) this.fail("has a name of more than 1,000 bytes.");
    }
  }

  fail(problem: string, remedy = DAMAGED): never {
    throw new PickleError(this.file, `${this.part}, byte ${this.#position}`, problem, remedy);
  }
}

const MOST_NAME = 1000;
/** No system call reads more than this at once. */
const MOST_AT_ONCE = 2 ** 30;

/** Fills a buffer from a place in a file. @throws PickleError where the file ends before */
export function readInto(
  descriptor: number,
  into: Uint8Array,
  position: number,
  file: string,
  part: string,
): void {
  let done = 0;
  while (done < into.length) {
    const count = readSync(
      descriptor,
      into,
      done,
      Math.min(into.length - done, MOST_AT_ONCE),
      position + done,
    );
    if (count === 0) throw new PickleError(file, part, `ends at byte ${position + done}.`, DAMAGED);
    done += count;
  }
}
