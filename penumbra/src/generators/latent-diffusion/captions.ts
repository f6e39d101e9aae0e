import { fromTyped, type Random, type Tensor } from "@penumbra/torch";
import { type ClipTokenizer, fillTemplate, PLAIN_TEMPLATE, TEMPLATES } from "../../diffusion/index.ts";

const [PLAIN_PREFIX] = PLAIN_TEMPLATE.split("{}") as [string, string];

/**
 * All captions that training can show, as token ids: each caption as it is and, where it begins with
 * "a photo of a", retold by the templates of textual inversion, so that the text encoder knows their words
 * before words are learned in them. The last row is the empty caption, for guidance.
 */
export class CaptionTable {
  /** int64 [rows, length], ids into `vocabulary`. */
  readonly ids: Tensor;
  /** The token ids of the tokenizer that occur, ascending; the text encoder trains no others. */
  readonly vocabulary: readonly number[];
  readonly #first: readonly number[];
  readonly #retold: readonly number[];
  readonly #empty: number;

  constructor(captions: readonly string[], tokenizer: ClipTokenizer) {
    const texts: string[] = [];
    const first: number[] = [];
    const retold: number[] = [];
    for (const caption of captions) {
      first.push(texts.push(caption) - 1);
      const subject = caption.startsWith(PLAIN_PREFIX) ? caption.slice(PLAIN_PREFIX.length) : null;
      retold.push(subject === null ? 0 : TEMPLATES.length);
      if (subject !== null) for (const template of TEMPLATES) texts.push(fillTemplate(template, subject));
    }
    this.#empty = texts.push("") - 1;
    this.#first = first;
    this.#retold = retold;
    const rows = texts.map((text) => tokenizer.encode(text));
    this.vocabulary = [...new Set(rows.flat())].sort((a, b) => a - b);
    const place = new Map(this.vocabulary.map((id, index) => [id, index]));
    const length = tokenizer.maxLength;
    const ids = new BigInt64Array(rows.length * length);
    rows.forEach((row, r) => {
      row.forEach((id, column) => {
        ids[r * length + column] = BigInt(place.get(id)!);
      });
    });
    this.ids = fromTyped(ids, [rows.length, length]);
  }

  /** The row of a caption as it is. */
  plain(caption: number): number {
    return this.#first[caption]!;
  }

  /** The row of the empty caption. */
  get empty(): number {
    return this.#empty;
  }

  /** A row for a caption: empty with probability `dropout`, else retold with probability `templateShare`. */
  draw(
    caption: number,
    random: Random,
    { dropout, templateShare }: { dropout: number; templateShare: number },
  ): number {
    if (random.uniform() < dropout) return this.#empty;
    const count = this.#retold[caption]!;
    if (count === 0 || random.uniform() >= templateShare) return this.#first[caption]!;
    return this.#first[caption]! + 1 + random.int(count);
  }
}
