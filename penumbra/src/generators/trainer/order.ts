import { deriveSeed, Random } from "@penumbra/torch";

/**
 * Which items the next batches hold: every item once per epoch, in an order of its own for each epoch.
 * Depends on the seed and the position only, so a resumed run goes on with the same items.
 */
export class EpochOrder {
  readonly #count: number;
  readonly #seed: number;
  #epoch = -1;
  #order: number[] = [];

  constructor(count: number, seed: number) {
    this.#count = count;
    this.#seed = seed;
  }

  /** Items `start … start + length - 1` of the endless sequence of epochs. */
  take(start: number, length: number): number[] {
    return Array.from({ length }, (_, offset) => {
      const position = start + offset;
      const epoch = Math.floor(position / this.#count);
      if (epoch !== this.#epoch) {
        const items = Array.from({ length: this.#count }, (_, item) => item);
        this.#order = new Random(deriveSeed(this.#seed, "epoch", epoch)).shuffle(items);
        this.#epoch = epoch;
      }
      return this.#order[position % this.#count]!;
    });
  }
}
