import type { data, Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

/** What both sides load: images of random bytes, made floats item by item. */
export const SHAPE = { items: 2048, size: 32, batch: 64, workers: 2 };

class Photos implements data.Dataset<{ image: Tensor; label: number }> {
  readonly length = SHAPE.items;
  readonly #images = torch.randint(256, [SHAPE.items, 3, SHAPE.size, SHAPE.size], { dtype: "uint8" });

  get(index: number): { image: Tensor; label: number } {
    return { image: this.#images.select(0, index).to("float32").div(255).sub(0.5), label: index % 10 };
  }
}

export default new Photos();
