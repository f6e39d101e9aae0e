import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deriveSeed, Random, type RandomState } from "../src/random.ts";

/** xoshiro128** once more, in unbounded integers as the paper writes it. */
function* reference(state: RandomState): Generator<number> {
  const mask = (1n << 32n) - 1n;
  const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
  const s = state.map(BigInt) as [bigint, bigint, bigint, bigint];
  for (;;) {
    yield Number((rotl((s[1] * 5n) & mask, 7n) * 9n) & mask);
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11n);
  }
}

describe("deriveSeed", () => {
  test("is the first 53 bits of SHA-256 over the documented encoding", () => {
    const encoded = Buffer.concat([
      Buffer.from([0x6e, 0x40, 0x1c, 0, 0, 0, 0, 0, 0]), // n, 7.0
      Buffer.from([0x73, 0, 0, 0, 3, 0x61, 0xc3, 0xa9]), // s, 3 bytes, "aé"
    ]);
    const first = createHash("sha256").update(encoded).digest().readBigUInt64BE(0) >> 11n;
    expect(deriveSeed(7, "aé")).toBe(Number(first));
  });

  test("stays the same from release to release", () => {
    expect([
      deriveSeed(0),
      deriveSeed(0, "a"),
      deriveSeed("study", "redraw", "bolt/1/a.jpg", 3),
    ]).toMatchInlineSnapshot(`
      [
        8920234774182639,
        2105505249422958,
        322260653297672,
      ]
    `);
  });

  test("tells parts apart however they are cut, ordered or typed", () => {
    const seeds = [
      deriveSeed(1, "a", "bc"),
      deriveSeed(1, "ab", "c"),
      deriveSeed(1, "abc"),
      deriveSeed(1, "bc", "a"),
      deriveSeed(1, "a", "bc", ""),
      deriveSeed(1, 2),
      deriveSeed(1, "2"),
      deriveSeed(2, 1),
      deriveSeed(12),
    ];
    expect(new Set(seeds).size).toBe(seeds.length);
    expect(deriveSeed(-0)).toBe(deriveSeed(0));
  });

  test("has no collision among 100,000 neighbouring items and fills every bit evenly", () => {
    const n = 100_000;
    const seen = new Set<number>();
    const ones = new Array<number>(53).fill(0);
    for (let i = 0; i < n; i++) {
      const seed = deriveSeed(i % 20, "item", Math.floor(i / 20));
      seen.add(seed);
      for (let bit = 0; bit < 53; bit++) ones[bit]! += Math.floor(seed / 2 ** bit) % 2;
    }
    expect(seen.size).toBe(n);
    expect([...seen].every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
    // Six standard deviations of a fair coin thrown n times.
    for (const count of ones) expect(Math.abs(count - n / 2)).toBeLessThan(6 * Math.sqrt(n / 4));
  });

  test("refuses parts that are no finite numbers", () => {
    expect(() => deriveSeed(Number.NaN)).toThrow(/NaN.*finite/);
    expect(() => deriveSeed(1, Number.POSITIVE_INFINITY)).toThrow(/Infinity.*finite/);
  });
});

describe("Random", () => {
  test("draws the stream of xoshiro128** from any state", () => {
    const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(fc.tuple(word, word, word, fc.integer({ min: 1, max: 2 ** 32 - 1 })), (state) => {
        const random = Random.fromState(state);
        const expected = reference(state);
        for (let i = 0; i < 50; i++) expect(random.bits()).toBe(expected.next().value);
      }),
    );
  });

  test("gives the values published for the state 1, 2, 3, 4", () => {
    const random = Random.fromState([1, 2, 3, 4]);
    expect([random.bits(), random.bits(), random.bits(), random.bits()]).toEqual([
      11520, 0, 5927040, 70819200,
    ]);
  });

  test("gives the same stream for the same seed and another one for the next seed", () => {
    const draw = (seed: number | string) => {
      const random = new Random(seed);
      return [1, 2, 3, 4, 5, 6, 7, 8].map(() => random.bits());
    };
    expect(draw(5)).toEqual(draw(5));
    expect(draw("5")).not.toEqual(draw(5));
    expect(draw(5).filter((bits, i) => bits === draw(6)[i])).toEqual([]);
  });

  test("goes on from a saved state", () => {
    const random = new Random(3);
    random.normal();
    const again = Random.fromState(JSON.parse(JSON.stringify(random.state)));
    expect([again.uniform(), again.int(1000)]).toEqual([random.uniform(), random.int(1000)]);
    expect(() => Random.fromState([0, 0, 0, 0])).toThrow(/not all zero/);
    expect(() => Random.fromState([1, 2, 3, -1])).toThrow(/unsigned/);
  });

  test("has the moments of the uniform and the normal distribution", () => {
    const random = new Random("moments");
    const n = 200_000;
    let inRange = true;
    const sums = { u: 0, uu: 0, z: 0, zz: 0, zzz: 0, zzzz: 0 };
    for (let i = 0; i < n; i++) {
      const u = random.uniform(-1, 3);
      inRange &&= u >= -1 && u < 3;
      const z = random.normal();
      sums.u += u / n;
      sums.uu += (u * u) / n;
      sums.z += z / n;
      sums.zz += z ** 2 / n;
      sums.zzz += z ** 3 / n;
      sums.zzzz += z ** 4 / n;
    }
    expect(inRange).toBe(true);
    // Each within about five standard errors: sqrt(variance of the summand / n).
    expect(sums.u).toBeCloseTo(1, 1.8);
    expect(Math.abs(sums.uu - (1 + 16 / 12))).toBeLessThan(0.03);
    expect(Math.abs(sums.z)).toBeLessThan(0.0115);
    expect(Math.abs(sums.zz - 1)).toBeLessThan(0.016);
    expect(Math.abs(sums.zzz)).toBeLessThan(0.044);
    expect(Math.abs(sums.zzzz - 3)).toBeLessThan(0.11);
  });

  test("draws whole numbers without bias", () => {
    const random = new Random(11);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.int(7)]! += 1;
    const chiSquared = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquared).toBeLessThan(30); // 6 degrees of freedom: exceeded with a probability of 4e-5
    expect(() => random.int(0)).toThrow(/1 … 2\^53/);
    expect(() => random.int(2.5)).toThrow(/whole number/);
  });

  test("shuffles every order alike and leaves the given array as it is", () => {
    const random = new Random(2);
    const items = ["a", "b", "c", "d"] as const;
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = random.shuffle(items).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(items).toEqual(["a", "b", "c", "d"]);
    expect(counts.size).toBe(24);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(160);
  });

  test("chooses each item and refuses an empty array", () => {
    const random = new Random(4);
    expect(new Set(Array.from({ length: 100 }, () => random.choice([1, 2, 3])))).toEqual(new Set([1, 2, 3]));
    expect(() => random.choice([])).toThrow(/empty/);
  });
});
