import { createHash } from "node:crypto";
import { cat, keep, noGrad, type PrecisionSetting, scope, type Tensor, tensor } from "@penumbra/torch";
import type { Posterior } from "../../models/index.ts";
import { encodePrompts, type StableDiffusion, type WordVector } from "../model/index.ts";
import { encodeImages } from "../samplers/index.ts";

/** Bytes of photos that are remembered: at 512 pixels some 2,000. */
const MOST_BYTES = 256 * 2 ** 20;

const MOST_PROMPTS = 1024;

/** What the networks make of photos and prompts, computed once for all images of a photo and all that share a prompt. */
export class Encoded implements Disposable {
  readonly #sd: StableDiffusion;
  readonly #precision: PrecisionSetting;
  /** uint8 [N, 3, H, W] */
  readonly #pixels: Tensor;
  /** Mean and log-variance of a photo by its place, [1, c, h, w] each; the oldest go first. */
  readonly #photos = new Map<number, readonly [Tensor, Tensor]>();
  /** [1, L, D] by prompt and vectors. */
  readonly #prompts = new Map<string, Tensor>();

  constructor(sd: StableDiffusion, pixels: Tensor, precision: PrecisionSetting) {
    this.#sd = sd;
    this.#precision = precision;
    this.#pixels = pixels;
  }

  /** float32 [B, 3, H, W] in 0..1 */
  images01(places: readonly number[]): Tensor {
    return scope(() =>
      this.#pixels
        .to("cpu")
        .indexSelect(0, tensor([...places], { dtype: "int64" }))
        .to("float32")
        .div(255),
    );
  }

  /** The posteriors of photos, one after the other. */
  posterior(places: readonly number[]): Posterior {
    const missing = [...new Set(places)].filter((place) => !this.#photos.has(place));
    if (missing.length > 0) {
      const encoded = noGrad(() =>
        keep(
          scope(() => {
            const { mean, logvar } = encodeImages(this.#sd, this.images01(missing), this.#precision);
            const rows = (all: Tensor) => missing.map((_, row) => all.narrow(0, row, 1).clone());
            return [rows(mean), rows(logvar)] as const;
          }),
        ),
      );
      for (const [row, place] of missing.entries())
        this.#photos.set(place, [encoded[0][row] as Tensor, encoded[1][row] as Tensor]);
    }
    const found = places.map((place) => this.#photos.get(place)!);
    const posterior = {
      mean: cat(found.map(([mean]) => mean)),
      logvar: cat(found.map(([, logvar]) => logvar)),
    };
    this.#forget(places.length);
    return posterior;
  }

  /** The contexts of prompts, [B, L, D]. */
  contexts(prompts: readonly { readonly prompt: string; readonly vectors: readonly WordVector[] }[]): Tensor {
    // Words with noise of their own would pile up.
    if (this.#prompts.size > MOST_PROMPTS) {
      for (const old of this.#prompts.values()) old.dispose();
      this.#prompts.clear();
    }
    return cat(prompts.map((each) => this.#context(each)));
  }

  [Symbol.dispose](): void {
    for (const held of [...[...this.#photos.values()].flat(), ...this.#prompts.values()]) held.dispose();
    this.#photos.clear();
    this.#prompts.clear();
  }

  #context({
    prompt,
    vectors,
  }: {
    readonly prompt: string;
    readonly vectors: readonly WordVector[];
  }): Tensor {
    const held = vectors.filter(({ token }) => prompt.toLowerCase().includes(token.toLowerCase()));
    const key = JSON.stringify([prompt, held.map(({ token, vector }) => [token, vectorHash(vector)])]);
    const known = this.#prompts.get(key);
    if (known) return known;
    const context = keep(encodePrompts(this.#sd, [prompt], { words: held }));
    this.#prompts.set(key, context);
    return context;
  }

  #forget(inUse: number): void {
    const [first] = this.#photos.values();
    const most = first ? Math.max(inUse, Math.floor(MOST_BYTES / (8 * first[0].numel))) : 0;
    for (const [place, tensors] of this.#photos) {
      if (this.#photos.size <= most) return;
      for (const each of tensors) each.dispose();
      this.#photos.delete(place);
    }
  }
}

const hashes = new WeakMap<Tensor, string>();

/** Tells learned vectors apart: words of one class and model still differ by photos, steps and seed. */
export function vectorHash(vector: Tensor): string {
  const known = hashes.get(vector);
  if (known) return known;
  const numbers = scope(() => vector.detach().to("cpu").to("float32").contiguous().toTyped());
  const hash = createHash("sha256").update(numbers).digest("hex").slice(0, 16);
  hashes.set(vector, hash);
  return hash;
}
