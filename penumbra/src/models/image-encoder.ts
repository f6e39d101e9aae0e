import { checkpoint, nn, noGrad, type Tensor } from "@penumbra/torch";

/** Modules and parameters that are as deep as each other: what is frozen, and learns more slowly, together. */
export type Layer = readonly (nn.Module | Tensor)[];

/**
 * A network from images to features. Its layers come in stages; a detector of several layers reads the pooled features
 * of each.
 */
export abstract class ImageEncoder extends nn.Module {
  /** D, the number of features of an image. */
  abstract readonly dimensions: number;
  /** D_s of every stage; the last is D. */
  abstract readonly stageDimensions: readonly number[];
  /** Whether blocks compute their intermediate results again in backward: less memory, a third more time. */
  recomputes = false;

  /**
   * The features before any head.
   * @param images [B, 3, H, W], normalised
   * @returns [B, D]
   * @throws ModelError for images of a size that the network does not bear
   */
  abstract features(images: Tensor): Tensor;

  /**
   * The pooled features of every stage, in the order of the network.
   * @param images [B, 3, H, W], normalised
   * @returns for each stage [B, D_s]; the last equals `features(images)`
   * @throws ModelError for images of a size that the network does not bear
   */
  abstract stages(images: Tensor): Tensor[];

  /** Every parameter in the order of its depth: what comes before the blocks, each block, what comes after them. */
  abstract layers(): readonly Layer[];

  override forward(images: Tensor): Tensor {
    return this.features(images);
  }

  /** Runs a block, with gradient checkpointing (Chen et al. 2016) where {@link recomputes} says so. */
  protected run(block: nn.Module<Tensor[]>, ...inputs: readonly Tensor[]): Tensor {
    const forward = (given: readonly Tensor[]) => block.forward(...given);
    if (!this.recomputes || !this.training) return forward(inputs);
    let isSecondRun = false;
    return checkpoint(
      (...given: readonly Tensor[]) => {
        if (isSecondRun) return withoutStatistics(block, () => forward(given));
        isSecondRun = true;
        return forward(given);
      },
      ...inputs,
    );
  }
}

/** The modules of a layer, all below them too. */
export function modulesOf(layer: Layer): nn.AnyModule[] {
  return layer.flatMap((part) => (part instanceof nn.Module ? part.modules() : []));
}

/** The parameters of a layer, each once. */
export function parametersOf(layer: Layer): Tensor[] {
  return [...new Set(layer.flatMap((part) => (part instanceof nn.Module ? part.parameters() : [part])))];
}

/** Runs `fn` with the batch's statistics, and leaves the running ones as they are: the first run has moved them. */
function withoutStatistics<T>(block: nn.Module<Tensor[]>, fn: () => T): T {
  const norms = block.modules().filter((module) => module instanceof nn.BatchNorm2d && module.training);
  const before = (norms as nn.BatchNorm2d[]).map((norm) => ({ norm, kernel: norm.kernel }));
  for (const { norm, kernel } of before) {
    norm.kernel = (x, weight, bias, _mean, _variance, ...rest) =>
      kernel(x, weight, bias, null, null, ...rest);
  }
  try {
    return fn();
  } finally {
    for (const { norm, kernel } of before) {
      norm.kernel = kernel;
      noGrad(() => norm.numBatchesTracked?.sub_(1));
    }
  }
}
