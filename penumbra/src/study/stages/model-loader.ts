import { type ModelFolder, StableDiffusion } from "../../diffusion/index.ts";

/** Loads the diffusion model when a stage first needs it: a study whose images are all drawn never does. */
export class ModelLoader {
  readonly model: ModelFolder;
  readonly #device: string;
  #loaded: StableDiffusion | undefined;

  constructor(model: ModelFolder, device: string) {
    this.model = model;
    this.#device = device;
  }

  get(): StableDiffusion {
    this.#loaded ??= StableDiffusion.load(this.model.folder, {
      device: this.#device,
      imageSize: this.model.imageSize,
    });
    return this.#loaded;
  }

  /** Lets the model go; a later `get` loads it again. */
  release(): void {
    this.#loaded = undefined;
  }
}
