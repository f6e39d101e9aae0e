import { fromTyped, type Tensor } from "@penumbra/torch";
import { BytePairs, learnPairs, SINGLE_PIECES, textOf } from "./byte-pairs.ts";
import { DiffusionError } from "./errors.ts";
import { readTokenizerFiles, type TokenizerFiles, writeTokenizerFiles } from "./tokenizer-files.ts";

const START = "<|startoftext|>";
const END = "<|endoftext|>";

// Contractions, runs of letters, single digits, runs of anything else; as CLIP splits a text before the byte pairs.
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/**
 * CLIP's tokenizer, with the ids of transformers' CLIPTokenizer: NFC, blanks to one space, lower case, split into
 * words, byte-pair encoding; start and end marks around, cut and padded to a fixed length.
 *
 * A tokenizer never changes; words of one's own come in by {@link withTokens}.
 *
 * @example
 * const tokenizer = ClipTokenizer.load("stable-diffusion-v1-5/tokenizer");
 * const ids = tokenizer.withTokens(["<bolt>"]).encodeBatch(["a photo of a <bolt>"]); // int64 [1, 77]
 */
export class ClipTokenizer {
  readonly startId: number;
  readonly endId: number;
  readonly padId: number;
  /** Number of ids, start and end marks included, tokens of one's own too. */
  readonly vocabSize: number;
  readonly #files: TokenizerFiles;
  readonly #pairs: BytePairs;
  /** Tokens that are found in a text before it is split into words, by their normalised spelling. */
  readonly #whole: ReadonlyMap<string, number>;
  readonly #splitter: RegExp;

  private constructor(files: TokenizerFiles, pairs: BytePairs, own: ReadonlyMap<string, number>) {
    this.#files = files;
    this.#pairs = pairs;
    this.startId = files.vocabulary.get(START) as number;
    this.endId = files.vocabulary.get(END) as number;
    this.padId = files.vocabulary.get(files.padToken) as number;
    this.#whole = new Map([[START, this.startId], [END, this.endId], ...own]);
    this.vocabSize = Math.max(files.vocabulary.size, ...[...own.values()].map((id) => id + 1));
    // The longest spelling first: "<bolt-2>" must not be read as "<bolt" and more.
    const spellings = [...this.#whole.keys()].sort((a, b) => b.length - a.length).map(escapeRegExp);
    this.#splitter = new RegExp(`(${spellings.join("|")})`, "u");
  }

  /**
   * Reads vocab.json and merges.txt (or tokenizer.json) and the settings beside them.
   * @throws DiffusionError naming the file that is missing or wrong
   */
  static load(folder: string): ClipTokenizer {
    const files = readTokenizerFiles(folder);
    for (const token of [START, END, files.padToken]) {
      if (!files.vocabulary.has(token)) {
        throw new DiffusionError(
          `The vocabulary in ${folder} lacks the token "${token}". Use the tokenizer folder of a CLIP or Stable Diffusion model.`,
        );
      }
    }
    return new ClipTokenizer(files, new BytePairs(files.vocabulary, files.merges), files.addedTokens);
  }

  /**
   * A small vocabulary of one's own in CLIP's format: all bytes, and pairs learned from the given texts.
   *
   * @param texts that are to be written with few ids
   * @param options.pairs learned at most
   * @param options.maxLength of an encoded text, marks and padding included; default 77
   */
  static learn(
    texts: readonly string[],
    { pairs, maxLength = 77 }: { readonly pairs: number; readonly maxLength?: number },
  ): ClipTokenizer {
    const words = new Map<string, number>();
    for (const word of texts.flatMap((text) => normalise(text).match(WORDS) ?? []))
      words.set(word, (words.get(word) ?? 0) + 1);
    const merges = learnPairs(words, pairs);
    const pieces = [...SINGLE_PIECES, ...merges.map((pair) => pair.replace(" ", "")), START, END];
    const ids = Object.fromEntries([...new Set(pieces)].map((piece, id) => [piece, id]));
    const vocabulary = new Map(Object.entries(ids)); // in the order in which vocab.json is read: digits first
    const files: TokenizerFiles = {
      ...{ vocabulary, merges, maxLength, padToken: END, addedTokens: new Map() },
      pieces: new Map(Array.from(vocabulary, ([piece, id]) => [id, piece])),
    };
    return new ClipTokenizer(files, new BytePairs(vocabulary, merges), files.addedTokens);
  }

  /** Length of an encoded text, marks and padding included. */
  get maxLength(): number {
    return this.#files.maxLength;
  }

  /** What fills up a text to that length. */
  get padToken(): string {
    return this.#files.padToken;
  }

  /** Tokens of one's own and their ids. */
  get addedTokens(): ReadonlyMap<string, number> {
    return new Map([...this.#whole].filter(([token]) => token !== START && token !== END));
  }

  /**
   * A tokenizer that also knows the given tokens: token i has the id `firstId + i`. They are found anywhere in a
   * text, in upper or lower case, and never split.
   *
   * @param firstId default `vocabSize`
   * @throws DiffusionError for a token that is empty, known already, or equal to another one but for its case
   */
  withTokens(tokens: readonly string[], firstId = this.vocabSize): ClipTokenizer {
    const own = new Map(this.addedTokens);
    tokens.forEach((token, i) => {
      const spelling = normalise(token);
      const isTaken = own.has(spelling) || spelling === START || spelling === END;
      if (isTaken || spelling.trim() === "") {
        const problem = isTaken ? "is there already (upper and lower case are the same)" : "is empty";
        throw new DiffusionError(`Token "${token}" cannot be added: it ${problem}. Choose another name.`);
      }
      own.set(spelling, firstId + i);
    });
    return new ClipTokenizer(this.#files, this.#pairs, own);
  }

  /**
   * A tokenizer that fills up with another token, to another length.
   * @throws DiffusionError for a token that is none of the vocabulary's
   */
  withPadding(padToken: string, maxLength = this.maxLength): ClipTokenizer {
    if (!this.#files.vocabulary.has(padToken))
      throw new DiffusionError(`The vocabulary lacks the token "${padToken}". Choose one that it has.`);
    return new ClipTokenizer({ ...this.#files, padToken, maxLength }, this.#pairs, this.addedTokens);
  }

  /** Whether both know the same pieces by the same ids. */
  sharesVocabulary(other: ClipTokenizer): boolean {
    const [own, theirs] = [this.#files.vocabulary, other.#files.vocabulary];
    return own.size === theirs.size && [...own].every(([piece, id]) => theirs.get(piece) === id);
  }

  /** The ids of a text alone: no marks, no padding, not cut. */
  tokens(text: string): number[] {
    return normalise(text)
      .split(this.#splitter)
      .flatMap((part) => {
        const id = this.#whole.get(part);
        if (id !== undefined) return [id];
        return (part.match(WORDS) ?? []).flatMap((word) => this.#pairs.encode(word));
      });
  }

  /** The id of a piece of the vocabulary ("relay</w>") or of a token of one's own, undefined where there is none. */
  idOf(token: string): number | undefined {
    return this.#whole.get(normalise(token)) ?? this.#files.vocabulary.get(token);
  }

  /** `maxLength` ids: start mark, the text (cut where it is too long), end mark, padding. */
  encode(text: string): number[] {
    const ids = [this.startId, ...this.tokens(text).slice(0, this.maxLength - 2), this.endId];
    return [...ids, ...Array<number>(this.maxLength - ids.length).fill(this.padId)];
  }

  /** int64 [texts.length, maxLength] on the CPU. */
  encodeBatch(texts: readonly string[]): Tensor {
    const ids = BigInt64Array.from(texts.flatMap((text) => this.encode(text)).map(BigInt));
    return fromTyped(ids, [texts.length, this.maxLength]);
  }

  /** The text of ids, without marks; words are parted by single blanks, so it is not always what was encoded. */
  decode(ids: readonly number[]): string {
    const pieces = this.#files.pieces;
    const own = new Map([...this.addedTokens].map(([token, id]) => [id, `${token}</w>`]));
    const marks = new Set([this.startId, this.endId, this.padId]);
    const pieceOf = (id: number) => {
      const piece = own.get(id) ?? pieces.get(id);
      if (piece !== undefined) return piece;
      throw new DiffusionError(
        `The tokenizer has no piece of the id ${id}; its ids are below ${this.vocabSize}.`,
      );
    };
    return textOf(ids.filter((id) => !marks.has(id)).map(pieceOf));
  }

  /** Writes the folder's files as transformers does. */
  save(folder: string): void {
    writeTokenizerFiles(folder, { ...this.#files, addedTokens: this.addedTokens });
  }

  /** What decides about ids, as text: for the hash of a model. */
  get fingerprint(): string {
    const { vocabulary, merges, padToken, maxLength } = this.#files;
    return JSON.stringify([[...vocabulary], merges, padToken, maxLength, [...this.addedTokens]]);
  }
}

/** Lower case letter by letter, as the reference does: the last sigma of a Greek word is no special case. */
function normalise(text: string): string {
  const spaced = text.normalize("NFC").replace(/\p{White_Space}+/gu, " ");
  return Array.from(spaced, (letter) => letter.toLowerCase()).join("");
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
