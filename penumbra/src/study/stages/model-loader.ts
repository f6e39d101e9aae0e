import { resolvePrecision } from "@penumbra/torch";
import { type FoundModel, StableDiffusion } from "../../diffusion/index.ts";

/** Models of images from this side on are large enough for the halves of their weights to count. */
export const LARGE_SIDE = 256;

/** Loads the diffusion model when a stage first needs it: a study whose images are all drawn never does. */
export class ModelLoader {
  readonly model: FoundModel;
  readonly #device: string;
  readonly #precision: "fp32" | "bf16" | "fp16";
  #loaded: StableDiffusion | undefined;

  constructor(model: FoundModel, device: string, precision: "fp32" | "bf16" | "fp16") {
    this.model = model;
    this.#device = device;
    this.#precision = precision;
  }

  get(): StableDiffusion {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  /** Lets the model go; a later `get` loads it again. */
  release(): void {
    this.#loaded = undefined;
  }

  /**
   * Of a large model the denoiser's weights are kept in half precision where it is computed in that anyway; the text
   * encoder, which words are learned through, and the autoencoder stay as they are.
   */
  #load(): StableDiffusion {
    const { path, vae, loras, imageSize } = this.model;
    const sd = StableDiffusion.load(path, {
      ...{ device: this.#device, imageSize, loras, vae: vae ?? undefined },
    });
    const { dtype } = resolvePrecision(this.#precision, this.#device);
    if (imageSize >= LARGE_SIDE && dtype !== "float32") sd.unet.to({ dtype });
    return sd;
  }
}
