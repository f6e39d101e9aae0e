import { resolvePrecision } from "@penumbra/torch";
import { type ModelFolder, StableDiffusion } from "../../diffusion/index.ts";

/** Models of images from this side on are large enough for the halves of their weights to count. */
const LARGE_SIDE = 256;

/** Loads the diffusion model when a stage first needs it: a study whose images are all drawn never does. */
export class ModelLoader {
  readonly model: ModelFolder;
  readonly #device: string;
  readonly #precision: "fp32" | "bf16" | "fp16";
  #loaded: StableDiffusion | undefined;

  constructor(model: ModelFolder, device: string, precision: "fp32" | "bf16" | "fp16") {
    this.model = model;
    this.#device = device;
    this.#precision = precision;
  }

  get(): StableDiffusion {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  /**
   * Of a large model the denoiser's weights are kept in half precision where it is computed in that anyway; the text
   * encoder, which words are learned through, and the autoencoder stay as they are.
   */
  #load(): StableDiffusion {
    const { folder, imageSize } = this.model;
    const sd = StableDiffusion.load(folder, { device: this.#device, imageSize });
    const { dtype } = resolvePrecision(this.#precision, this.#device);
    if (imageSize >= LARGE_SIDE && dtype !== "float32") sd.unet.to({ dtype });
    return sd;
  }

  /** Lets the model go; a later `get` loads it again. */
  release(): void {
    this.#loaded = undefined;
  }
}
