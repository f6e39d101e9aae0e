import { Random } from "@penumbra/torch/random";

/**
 * An endless sequence of items in shuffled rounds: every item once a round, each round in an order of its own. What
 * stands at a position depends on the count and the seeds only, so that whoever goes on from a position finds the
 * same items.
 */
export class ShuffledRounds {
  readonly #count: number;
  readonly #seedOf: (round: number) => number;
  #round = -1;
  #order: readonly number[] = [];

  /** @param seedOf the seed of each round's order */
  constructor(count: number, seedOf: (round: number) => number) {
    this.#count = count;
    this.#seedOf = seedOf;
  }

  /** The item at a position, 0 … count - 1. */
  at(position: number): number {
    const round = Math.floor(position / this.#count);
    if (round !== this.#round) {
      const items = Array.from({ length: this.#count }, (_, item) => item);
      this.#order = new Random(this.#seedOf(round)).shuffle(items);
      this.#round = round;
    }
    return this.#order[position % this.#count] as number;
  }

  /** Items `start … start + length - 1` of the sequence; a stretch may end one round and begin the next. */
  take(start: number, length: number): number[] {
    return Array.from({ length }, (_, offset) => this.at(start + offset));
  }
}
