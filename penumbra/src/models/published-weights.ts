import type { Tensor } from "@penumbra/torch";

/** Tensors of a file of weights by their published names. */
export type PublishedWeights = Readonly<Record<string, Tensor>>;
