import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { z } from "zod";
import { UnknownsError } from "../errors.ts";
import { candidatesFor } from "./tuning.ts";
import { unitRows } from "./unit-rows.ts";

export interface StagesOptions {
  /** How many of the encoder's stages count, from the last one back. Default: all. */
  readonly last?: number;
}

/** Candidates for {@link StagesOptions.last}; an encoder with fewer stages gives all of them. */
export const lastStages = candidatesFor(
  z.int().positive(),
  "Candidates for how many of the encoder's stages count, from the last one back; all where it has fewer",
  [3, 2],
);

/** The last stages, all where there are fewer. @throws UnknownsError unless `last` is a number of stages */
export function takeLast<T>(stages: readonly T[], last: number): readonly T[] {
  if (!Number.isInteger(last) || last < 1) {
    throw new UnknownsError(
      `The detector was told to look at the last ${last} stages; it must be 1 or more. Leave "last" out to take all.`,
    );
  }
  return stages.slice(-last);
}

/** Stages side by side, each an image's features of length 1: [N, D_1], … -> [N, D_1 + …]. */
export function joined(stages: readonly Tensor[]): Tensor {
  return torch.cat(stages.map(unitRows), { dim: 1 });
}
