// Randomness that needs no engine: seeds derived per item, and a small generator for draws in TypeScript.
import { createHash } from "node:crypto";

const TWO_53 = 2 ** 53;
const TWO_32 = 2 ** 32;

/** A state of {@link Random}: four unsigned 32-bit words, not all zero. */
export type RandomState = readonly [number, number, number, number];

/**
 * Derives a seed from a seed and the names of what it is for; the one way to give each item its own randomness.
 *
 * The first 53 bits of SHA-256 over an unambiguous encoding of the parts: `n` and eight bytes (IEEE 754, big-endian)
 * for a number, `s`, four bytes of length and UTF-8 for a string. So `("a", "bc")` and `("ab", "c")`, or `1` and
 * `"1"`, give unrelated seeds, and a million derived seeds collide somewhere with a probability of 6e-5.
 *
 * @param seed the study's or run's seed
 * @param parts what distinguishes the item: names, indices, variant numbers
 * @returns a whole number, uniform in 0 … 2^53 - 1; the same on every machine
 * @throws RangeError when a part is NaN or infinite
 * @example
 * const seed = deriveSeed(runSeed, "redraw", photo.id, variant);
 */
export function deriveSeed(seed: number | string, ...parts: (string | number)[]): number {
  const digest = digestOf([seed, ...parts]);
  return digest.readUInt32BE(0) * 2 ** 21 + (digest.readUInt32BE(4) >>> 11);
}

/**
 * A generator of pseudo-random numbers in TypeScript, for shuffles, draws and settings; tensors have `Generator`.
 *
 * xoshiro128** (Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators"), period 2^128 - 1, its
 * state filled from SHA-256 of the seed, so that neighbouring seeds give unrelated streams.
 *
 * @example
 * const random = new Random(deriveSeed(seed, "split"));
 * const shuffled = random.shuffle(photos);
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any finite number or a string; equal seeds give equal streams */
  constructor(seed: number | string) {
    const digest = digestOf([seed]);
    // The last 128 bits: deriveSeed uses the first ones.
    this.#a = digest.readUInt32BE(16);
    this.#b = digest.readUInt32BE(20);
    this.#c = digest.readUInt32BE(24);
    // The state must not be all zero; this costs one of 2^128 states.
    this.#d = digest.readUInt32BE(28) || 1;
  }

  /** A generator that goes on exactly where the one whose `state` this was stood. */
  static fromState(state: RandomState): Random {
    const random = new Random(0);
    random.state = state;
    return random;
  }

  /** The position in the stream, as plain numbers that JSON can hold; setting it goes on from there. */
  get state(): RandomState {
    return [this.#a, this.#b, this.#c, this.#d];
  }

  set state(state: RandomState) {
    const isWord = (word: number) => Number.isInteger(word) && word >= 0 && word < TWO_32;
    if (state.length !== 4 || !state.every(isWord) || state.every((word) => word === 0)) {
      throw new RangeError(
        `A state of Random must be four unsigned 32-bit words, not all zero; got [${state}]. Pass what \`random.state\` gave.`,
      );
    }
    [this.#a, this.#b, this.#c, this.#d] = state;
  }

  /** The next 32 bits of the stream as an unsigned number. */
  bits(): number {
    const b = this.#b;
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const c = this.#c ^ this.#a;
    const d = this.#d ^ b;
    this.#b = (b ^ c) >>> 0;
    this.#a = (this.#a ^ d) >>> 0;
    this.#c = (c ^ (b << 9)) >>> 0;
    this.#d = rotateLeft(d, 11) >>> 0;
    return result;
  }

  /** A number uniform in [lo, hi), with 53 random bits. */
  uniform(lo = 0, hi = 1): number {
    return lo + (hi - lo) * (this.#bits53() / TWO_53);
  }

  /** A standard normal number (Box and Muller 1958); draws two uniform numbers. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform())); // 1 - u is in (0, 1]: the logarithm is finite
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /**
   * A whole number uniform in 0 … n - 1, without bias.
   * @throws RangeError unless n is a whole number in 1 … 2^53
   */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > TWO_53) {
      throw new RangeError(
        `Random.int needs a whole number n in 1 … 2^53, got ${n}. It draws from 0 … n - 1.`,
      );
    }
    const end = TWO_53 - (TWO_53 % n); // numbers from here on would favour small remainders
    let drawn = this.#bits53();
    while (drawn >= end) drawn = this.#bits53();
    return drawn % n;
  }

  /** A new array with the items in uniformly random order (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const item = shuffled[i] as T;
      shuffled[i] = shuffled[j] as T;
      shuffled[j] = item;
    }
    return shuffled;
  }

  /**
   * One of the items, each with the same probability.
   * @throws RangeError when there are none
   */
  choice<T>(items: readonly T[]): T {
    if (items.length === 0) {
      throw new RangeError("Random.choice was given an empty array. Pass at least one item.");
    }
    return items[this.int(items.length)] as T;
  }

  #bits53(): number {
    return this.bits() * 2 ** 21 + (this.bits() >>> 11);
  }
}

function rotateLeft(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

function digestOf(parts: readonly (string | number)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) {
    if (typeof part === "number") {
      if (!Number.isFinite(part)) {
        throw new RangeError(`A part of a seed is ${part}. Pass finite numbers and strings only.`);
      }
      const bytes = Buffer.alloc(9, "n");
      bytes.writeDoubleBE(part + 0, 1); // + 0 turns -0 into 0
      hash.update(bytes);
    } else {
      const text = Buffer.from(part, "utf8");
      const head = Buffer.alloc(5, "s");
      head.writeUInt32BE(text.length, 1);
      hash.update(head).update(text);
    }
  }
  return hash.digest();
}
