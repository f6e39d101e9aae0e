import { nn, resolvePrecision, type Tensor } from "@penumbra/torch";
import { type Layer, modulesOf, parametersOf } from "../../models/index.ts";
import type { Encoder } from "./encoder.ts";
import type { TrainedEncoder } from "./trained-encoder.ts";

/** How much of an encoder is trained. */
export type FineTuning = {
  /**
   * "full": all of it; "head": only what the loss sees it through; "last-N": its last N blocks too, and what comes after
   * them. A block is a residual block, or one of a transformer. Default "full".
   */
  readonly layers?: TrainedLayers;
  /**
   * Each layer learns this much more slowly than the next: lr_l = lr decay^(L - l), with l = 0 for what comes before
   * the blocks and L for what comes after them and the head (Clark et al. 2020, "ELECTRA", as BEiT's fine-tuning has
   * it). 0..1; default 1.
   */
  readonly layerDecay?: number;
  /**
   * "trained": batch norms use and follow the batches' statistics; "frozen": they keep the statistics that they came
   * with. Those of layers that are not trained always do. Default: "frozen" with published weights, "trained" with
   * random ones: a few photos of another kind than ImageNet's change the statistics faster than the layers between them
   * can follow (docs/transfer.md).
   */
  readonly batchNorm?: "trained" | "frozen";
};

export type TrainedLayers = "full" | "head" | `last-${number}`;

/** What {@link FineTuning} can say of layers. */
export const TRAINED_LAYERS = /^(full|head|last-[1-9]\d*)$/;

/** An encoder as it came, of which nothing is trained: a probe on its features is the classifier. */
export function frozenEncoder(encoder: Encoder, classes: number): TrainedEncoder {
  return {
    encoder: encoder.requiresGrad_(false).eval(),
    head: new nn.Identity(),
    ...{ objective: null, loss: {}, classes, use: null, losses: [], collapse: null },
    ...{ evaluations: [], keptStep: 0 },
    precision: resolvePrecision("fp32", "cpu"),
  };
}

/** Parameters that learn at one rate. */
export interface RateGroup {
  readonly params: Tensor[];
  /** In relation to the head's. */
  readonly scale: number;
}

/**
 * Freezes what is not trained, and groups the rest by rate; the head's group is the first.
 * @throws RangeError for a layer decay outside 0..1
 */
export function rateGroups(
  encoder: Encoder,
  head: nn.Module,
  { layers = "full", layerDecay = 1 }: FineTuning,
): RateGroup[] {
  const all = encoder.network.layers();
  const last = all.length - 1;
  for (const layer of frozenLayers(all, layers)) {
    for (const parameter of parametersOf(layer)) parameter.requiresGrad = false;
  }
  const trained = all.map((layer, depth) => ({
    params: parametersOf(layer).filter(({ requiresGrad }) => requiresGrad),
    scale: layerDecay ** (last - depth),
  }));
  if (layerDecay === 1) {
    const own = encoder.parameters().filter(({ requiresGrad }) => requiresGrad);
    return [{ params: [...own, ...head.parameters()], scale: 1 }];
  }
  return [{ params: head.parameters(), scale: 1 }, ...trained.filter(({ params }) => params.length > 0)];
}

/** What becomes of the statistics of batch norms where nothing is said of it, or what is said. */
export function batchNormOf({ batchNorm }: FineTuning, isPublished: boolean): "trained" | "frozen" {
  return batchNorm ?? (isPublished ? "frozen" : "trained");
}

/** Training mode for what is trained; layers that are not, and frozen batch norms, stay in evaluation mode. */
export function setTrainingMode(encoder: Encoder, fineTuning: FineTuning, isPublished: boolean): void {
  encoder.train();
  for (const layer of frozenLayers(encoder.network.layers(), fineTuning.layers ?? "full")) {
    for (const module of modulesOf(layer)) module.training = false;
  }
  if (batchNormOf(fineTuning, isPublished) === "trained") return;
  for (const module of encoder.modules()) if (module instanceof nn.BatchNorm2d) module.training = false;
}

function frozenLayers(layers: readonly Layer[], trained: TrainedLayers): readonly Layer[] {
  if (trained === "full") return [];
  if (trained === "head") return layers;
  const blocks = Number(trained.slice("last-".length));
  return layers.slice(0, Math.max(0, layers.length - 1 - blocks));
}
