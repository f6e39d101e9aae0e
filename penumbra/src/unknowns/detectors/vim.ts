import { z } from "zod";
import { UnknownsError } from "../errors.ts";
import { defineDetector, numberOf, requireOption, tensorOf } from "./detector.ts";
import { negativeEnergy } from "./energy.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

export interface VimOptions {
  /** How many dimensions the principal space has, below D. Default: `share` of what the training images span. */
  readonly dimensions?: number;
  /** That number as a share of the smaller one of D and the training images, 0 … 1 exclusive. Default 0.5. */
  readonly share?: number;
}

/**
 * ViM: LSE(f) - alpha |R (h - o)|, R the projection onto what the principal space of the training features leaves,
 * o = -W^+ b the origin, alpha the mean largest logit over the mean residual of the training images (Wang et al. 2022,
 * "ViM: Out-of-distribution with virtual-logit matching", eq. 3 to 6). The principal space is that of h - o, not centred.
 */
export const vim = defineDetector({
  title: "ViM",
  description: "Energy against what the features leave of their principal space (Wang et al. 2022)",
  needs: ["features", "logits", "classifier"],
  fitsOn: "train",
  tuning: everyCombination<VimOptions>({
    share: candidatesFor(
      z.number().gt(0).lt(1),
      "Candidates for the dimensions of the principal space, as a share of what the training photos span",
      [0.5, 0.25, 0.75],
    ),
  }),
  learn: ({ features, logits, classifier, once }, { share = 0.5, ...options }: VimOptions) => {
    const [rows, all] = features.shape as [number, number];
    requireOption("ViM", "share", share, share > 0 && share < 1, "above 0 and below 1");
    const dimensions = options.dimensions ?? Math.floor(share * Math.min(rows, all));
    requireOption(
      "ViM",
      "dimensions",
      dimensions,
      Number.isInteger(dimensions) && dimensions >= 0 && dimensions < all,
      `a whole number from 0 to below the ${all} features`,
    );
    const { origin, rest, directions } = once("ViM's origin and directions", () => {
      const { weight, bias } = classifier;
      const origin = weight.linalgPinv().matmul(bias).neg(); // [D]
      const rest = features.sub(origin);
      const [, directions] = rest.t().matmul(rest).div(rows).linalgEigh(); // [D, D], smallest variance first
      return { origin, rest, directions };
    });
    const residual = directions.narrow(1, 0, all - dimensions); // [D, D - dimensions]
    const size = rest
      .matmul(residual)
      .linalgVectorNorm({ dim: [1] })
      .mean()
      .item();
    if (
      !(
        size >
        1e-9 *
          rest
            .linalgVectorNorm({ dim: [1] })
            .mean()
            .item()
      )
    ) {
      throw new UnknownsError(
        `ViM's principal space of ${dimensions} of ${all} dimensions holds all of the ${rows} training images: nothing is left to measure. Set fewer dimensions.`,
      );
    }
    const alpha =
      logits
        .amax({ dim: [1] })
        .mean()
        .item() / size;
    return { numbers: { dimensions, alpha }, tensors: { origin, residual } };
  },
  score: (state, { features, logits }) => {
    const rest = features.sub(tensorOf(state, "origin")).matmul(tensorOf(state, "residual"));
    return negativeEnergy(logits).sub(rest.linalgVectorNorm({ dim: [1] }).mul(numberOf(state, "alpha")));
  },
});
