/** A dataset of loader.test.ts that is iterated, in shards of different lengths. */
import type { data } from "@penumbra/torch";
import { Generator, randn, type Tensor } from "@penumbra/torch";

/** How many items each shard has. */
export const LENGTHS = [5, 0, 8, 2];

export class Lines implements data.IterableDataset<[x: Tensor, shard: number]> {
  readonly shards = LENGTHS.length;
  /** Shards that were closed before or at their end. */
  readonly closed: number[] = [];

  async *iterate({ shard, seed }: data.ShardContext): AsyncIterable<[Tensor, number]> {
    const generator = new Generator({ seed });
    try {
      for (let i = 0; i < LENGTHS[shard]!; i += 1) {
        if (process.env.PENUMBRA_TEST_FAIL === `${shard}/${i}`) throw new RangeError("on purpose");
        yield [randn([2], { generator }), shard * 100 + i];
      }
    } finally {
      this.closed.push(shard);
    }
  }
}

export default () => new Lines();
