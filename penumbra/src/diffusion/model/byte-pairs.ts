/** Where CLIP's merges mark the end of a word. */
const END_OF_WORD = "</w>";

/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019 for the bytes): a word's UTF-8 bytes,
 * written as letters, are merged pair by pair, the pair learned first going first.
 */
export class BytePairs {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #encoded = new Map<string, readonly number[]>();

  /**
   * @param ids id of every piece
   * @param merges pairs "left right" in the order in which they were learned
   */
  constructor(ids: ReadonlyMap<string, number>, merges: readonly string[]) {
    this.#ids = ids;
    this.#ranks = new Map(merges.map((pair, rank) => [pair, rank]));
  }

  /** The ids of one word (a stretch of text without blanks). */
  encode(word: string): readonly number[] {
    const known = this.#encoded.get(word);
    if (known) return known;
    const ids = this.#merge(word).map((piece) => this.#ids.get(piece) as number);
    this.#encoded.set(word, ids);
    return ids;
  }

  #merge(word: string): string[] {
    const pieces = [...new TextEncoder().encode(word)].map((byte) => LETTERS[byte] as string);
    pieces.push(`${pieces.pop()}${END_OF_WORD}`);
    for (;;) {
      let best = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < pieces.length; i++) {
        best = Math.min(best, this.#ranks.get(`${pieces[i]} ${pieces[i + 1]}`) ?? best);
      }
      if (best === Number.POSITIVE_INFINITY) return pieces;
      for (let i = 0; i + 1 < pieces.length; i++) {
        if (this.#ranks.get(`${pieces[i]} ${pieces[i + 1]}`) !== best) continue;
        pieces.splice(i, 2, `${pieces[i]}${pieces[i + 1]}`);
      }
    }
  }
}

/** GPT-2's letter for each byte: itself where it can be printed, else the next free one from U+0100 on. */
const LETTERS: readonly string[] = (() => {
  const isPrintable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
})();

/** The inverse of the letters: text of pieces without their end-of-word marks, those turned into blanks. */
export function textOf(pieces: readonly string[]): string {
  const letters = pieces.join("").replaceAll(END_OF_WORD, " ");
  const bytes = Array.from(letters, (letter) => (letter === " " ? 32 : LETTERS.indexOf(letter)));
  return new TextDecoder().decode(Uint8Array.from(bytes)).trim();
}

/** The pieces that every vocabulary begins with: all bytes, within a word and at its end. */
export const SINGLE_PIECES: readonly string[] = [
  ...LETTERS,
  ...LETTERS.map((letter) => letter + END_OF_WORD),
];

/**
 * Learns byte pairs from words (Sennrich et al. 2016, algorithm 1): the pair that is found most often becomes one piece,
 * again and again; of equally frequent ones the first in the order of their letters.
 *
 * @param words how often each word occurs
 * @param most pairs; fewer where no pair is left that occurs twice
 * @returns pairs "left right" in the order in which they were learned
 */
export function learnPairs(words: ReadonlyMap<string, number>, most: number): string[] {
  const texts = [...words].map(([word, count]) => {
    const pieces = [...new TextEncoder().encode(word)].map((byte) => LETTERS[byte] as string);
    pieces.push(`${pieces.pop()}${END_OF_WORD}`);
    return { pieces, count };
  });
  const learned: string[] = [];
  while (learned.length < most) {
    const counts = new Map<string, number>();
    for (const { pieces, count } of texts)
      for (let i = 0; i + 1 < pieces.length; i++) {
        const pair = `${pieces[i]} ${pieces[i + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + count);
      }
    const [best] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    if (!best || best[1] < 2) break;
    learned.push(best[0]);
    for (const { pieces } of texts)
      for (let i = 0; i + 1 < pieces.length; i++)
        if (`${pieces[i]} ${pieces[i + 1]}` === best[0]) pieces.splice(i, 2, `${pieces[i]}${pieces[i + 1]}`);
  }
  return learned;
}
