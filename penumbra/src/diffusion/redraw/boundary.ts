import { enableGrad, grad, scope, type Tensor, tensor, zerosLike } from "@penumbra/torch";
import type { StableDiffusion } from "../model/index.ts";
import { decodeLatents, gradientSlice, halving, type Steer } from "../samplers/index.ts";
import type { PlannedRedraw } from "./plan.ts";
import { RECIPES, type Recipe } from "./recipes/index.ts";

/** Tells how far images lie outside of the known classes, by a network that gradients go through. */
export interface BoundaryGuide {
  /** Of all that decides about its distances: it is part of the images' names. */
  readonly hash: string;
  /** Where known ends is 1; beyond this an image is too far. Above 1. */
  readonly upper: number;
  /**
   * @param photos places of the photos that the images are made of
   * @param images01 float32 [n, 3, H, W] in 0..1
   * @returns float [n]: distance of each to the nearest class, differentiable; no image's depends on another
   */
  distances(photos: readonly number[], images01: Tensor): Tensor;
}

/** Of what noise leaves open, what an image may be moved by at a step: further, and the steps left could not mend it. */
const REACH = 0.2;

/** Whether a recipe needs a guide with these settings. */
export function isLed({ recipe }: Pick<PlannedRedraw, "recipe">): boolean {
  return (RECIPES[recipe.name] as Recipe).isGuided === true && (recipe.weight ?? 0) > 0;
}

/**
 * Leads images to where known ends: at each step, what the denoiser takes an image for (x0, latents) is decoded and
 * judged, and moved by the shortest way on which its distance d to the nearest class, taken as linear, comes a share
 * of the way nearer to its aim:
 *
 *   x0 <- x0 - weight (d(decode(x0)) - aim) g / |g|^2,   g = the gradient of d(decode(x0))
 *
 * never by more than a share of the deviation that the noise still leaves open. The gradient goes through the decoder,
 * not through the denoiser (as in manifold-preserving guidance, He et al. 2024); the step is DeepFool's (Moosavi-Dezfooli
 * et al. 2016), the distance one in a classifier's features (as in GOOD, Gao et al. 2025). Later steps of the walk make
 * an image of it again.
 *
 * @param items of the batch, in its order; those that no guide leads stay as they are, to the bit
 */
export function leadToBoundary(
  sd: StableDiffusion,
  guide: BoundaryGuide,
  items: readonly PlannedRedraw[],
): Steer {
  return (places, images, room) => {
    const led = places.flatMap((place, row) => (isLed(items[place]!) ? [row] : []));
    if (led.length === 0) return null;
    const moves = zerosLike(images);
    const pixels = images.shape.slice(2).map((side) => side * sd.vae.factor);
    halving(gradientSlice(sd, pixels, led.length), (size) => {
      for (let start = 0; start < led.length; start += size) {
        const rows = led.slice(start, start + size);
        scope(() => {
          const index = tensor(rows, { dtype: "int64", device: images.device });
          const own = rows.map((row) => items[places[row]!]!);
          moves.indexCopy_(0, index, moveOf(sd, guide, own, images.indexSelect(0, index), room));
        });
      }
    });
    return moves;
  };
}

/** @param images [n, c, h, w] @returns the move of each, of the same shape */
function moveOf(
  sd: StableDiffusion,
  guide: BoundaryGuide,
  items: readonly PlannedRedraw[],
  images: Tensor,
  room: number,
): Tensor {
  const x0 = images.detach().requiresGrad_(true);
  const [distances, gradient] = enableGrad(() => {
    const all = guide.distances(
      items.map(({ photo }) => photo),
      decodeLatents(sd, x0),
    );
    return [all.detach().tolist() as number[], grad(all.sum(), [x0])[0]!] as const;
  });
  const norms = gradient.flatten({ startDim: 1 }).to("float64").norm(2, [1]).tolist() as number[];
  const most = REACH * room * Math.sqrt(images.numel / items.length);
  const factors = items.map(({ recipe: { weight = 0, aim = 0 } }, item) => {
    const norm = norms[item]!;
    if (!(norm > 0)) return 0; // no way leads anywhere
    const wanted = (weight * (1 + aim * (guide.upper - 1) - distances[item]!)) / norm;
    return Math.max(-most, Math.min(most, wanted)) / norm;
  });
  return gradient.mul(tensor(factors, { device: images.device }).reshape([-1, 1, 1, 1]));
}
