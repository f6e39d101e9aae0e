import { z } from "zod";
import { areMarginsInOrder, crossEntropyObjective, marginRule } from "./cross-entropy-objective.ts";
import { gensclObjective } from "./genscl-objective.ts";
import { defineObjective, MIX_KINDS, type MixSettings } from "./objective.ts";

/** Objectives of label distributions, with photos that are mixed with each other. */

const mixFields = {
  mix: z
    .enum(MIX_KINDS)
    .meta({
      description:
        "How two photos become one: mixup (both shine through), cutmix (a box of one on the other) or either of them, view by view",
    })
    .default("either"),
  mixAlpha: z
    .number()
    .positive()
    .meta({ description: "Both parameters of the beta distribution of a photo's share; 1 = any share alike" })
    .default(1),
};

const mixOf = ({ mix, mixAlpha }: { mix: MixSettings["kind"]; mixAlpha: number }): MixSettings => ({
  kind: mix,
  alpha: mixAlpha,
});

/** Cross-entropy with MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019). */
export const mixedCrossEntropyObjective = defineObjective({
  ...crossEntropyObjective,
  title: "Cross-entropy, mixed",
  description: "Classifier's loss on photos that are mixed with each other, and their labels too",
  settings: z
    .strictObject({ ...crossEntropyObjective.settings.shape, ...mixFields })
    .refine(areMarginsInOrder, marginRule),
  mix: mixOf,
});

/** Generalized SCL as its authors train it (Kim et al. 2022): MixUp or CutMix in each view by itself. */
export const mixedGensclObjective = defineObjective({
  ...gensclObjective,
  title: "Generalized SupCon, mixed",
  description: "Contrastive loss of label distributions, on photos that are mixed with each other",
  settings: z.strictObject({ ...gensclObjective.settings.shape, ...mixFields }),
  mix: mixOf,
});
