/** A dataset of loader.test.ts, which workers load too; what it does at some items is told by the environment. */
import { isMainThread } from "node:worker_threads";
import type { data } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

/** Every item draws from its seed; some come as promises. */
export class Numbers implements data.Dataset<{ x: torch.Tensor; label: number; name: string }> {
  readonly length = 23;

  get(index: number, { seed, epoch }: data.ItemContext) {
    if (process.env.PENUMBRA_TEST_FAIL === String(index)) throw new RangeError("on purpose");
    if (process.env.PENUMBRA_TEST_EXIT === String(index) && !isMainThread) process.exit(3);
    const generator = new torch.Generator({ seed });
    const x = torch.randn([3], { generator }).add(index);
    const item = { x, label: index, name: `${epoch}/${index}` };
    return index % 5 === 0 ? Promise.resolve(item) : item;
  }
}

export default new Numbers();
