/**
 * The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as far as writing needs it: a message
 * is a list of byte arrays, so that weights are never copied.
 */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** A message that fields are added to, in the order of the calls. */
export class Message {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  /** Bytes of the message. */
  get length(): number {
    return this.#length;
  }

  /** What the message is made of, one after the other. */
  get parts(): readonly Uint8Array[] {
    return this.#parts;
  }

  /** An int32, int64, uint64 or enum field. */
  int(field: number, value: number | bigint): this {
    return this.#tag(field, VARINT).#add(varint(BigInt.asUintN(64, BigInt(value))));
  }

  /** Repeated int64, one field each: what every reader takes, packed or not. */
  ints(field: number, values: readonly (number | bigint)[]): this {
    for (const value of values) this.int(field, value);
    return this;
  }

  /** A float field. */
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#tag(field, FIXED32).#add(bytes);
  }

  /** A double field. */
  double(field: number, value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    return this.#tag(field, FIXED64).#add(bytes);
  }

  /** A string field, in UTF-8. */
  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** A bytes field; the array is kept, not copied. */
  bytes(field: number, value: Uint8Array): this {
    return this.#tag(field, LENGTH_DELIMITED)
      .#add(varint(BigInt(value.byteLength)))
      .#add(value);
  }

  /** A message within this one, as it is now. */
  message(field: number, { length, parts }: Message): this {
    this.#tag(field, LENGTH_DELIMITED).#add(varint(BigInt(length)));
    for (const part of parts) this.#add(part);
    return this;
  }

  /** The whole message in one array. */
  toBytes(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.byteLength;
    }
    return all;
  }

  #tag(field: number, wireType: number): this {
    return this.#add(varint(BigInt(field * 8 + wireType)));
  }

  #add(part: Uint8Array): this {
    this.#parts.push(part);
    this.#length += part.byteLength;
    return this;
  }
}

/** Seven bits a byte, the lowest first; all but the last have the highest bit set. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}
