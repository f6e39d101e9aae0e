import { type FoundModel, StableDiffusion } from "../../diffusion/index.ts";

/** Loads the diffusion model when a stage first needs it: a study whose images are all drawn never does. */
export class ModelLoader {
  readonly model: FoundModel;
  readonly #device: string;
  #loaded: StableDiffusion | undefined;

  constructor(model: FoundModel, device: string) {
    this.model = model;
    this.#device = device;
  }

  get(): StableDiffusion {
    const { path, vae, loras, imageSize } = this.model;
    this.#loaded ??= StableDiffusion.load(path, {
      ...{ device: this.#device, imageSize, loras, vae: vae ?? undefined },
    });
    return this.#loaded;
  }

  /** Lets the model go; a later `get` loads it again. */
  release(): void {
    this.#loaded = undefined;
  }
}
