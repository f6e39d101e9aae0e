import * as torch from "@penumbra/torch";
import { scope } from "@penumbra/torch";
import { defineDetector, numberOf, tensorOf } from "./detector.ts";
import { negativeEnergy } from "./energy.ts";
import { requireNeighbours } from "./knn.ts";
import { neighbours } from "./tuning.ts";
import { unitRows } from "./unit-rows.ts";

const CHUNK = 1024;

export interface NnguideOptions {
  /** How many of the most similar training images guide. Default 1; OpenOOD has 100 of a hundredth of ImageNet. */
  readonly k?: number;
}

/**
 * NNGuide: the energy of an image times the mean, over the k training images z of highest value, of their energy times
 * the cosine of both features, E(x) / k sum_(k) E(z) cos(x, z) (Park et al. 2023, "Nearest neighbor guidance for
 * out-of-distribution detection", eq. 5).
 */
export const nnguide = defineDetector({
  title: "NNGuide",
  description: "Energy, guided by that of similar training images (Park et al. 2023)",
  needs: ["features", "logits"],
  fitsOn: "train",
  tuning: neighbours,
  learn: ({ features, logits }, { k = 1 }: NnguideOptions) => {
    requireNeighbours("NNGuide", k, features);
    return {
      numbers: { k },
      tensors: { bank: unitRows(features).mul(negativeEnergy(logits).unsqueeze(1)) }, // [M, D]
    };
  },
  score: (state, { features, logits }) => {
    const bank = tensorOf(state, "bank").t(); // [D, M]
    const guidance = unitRows(features)
      .split(CHUNK)
      .map((rows) =>
        scope(() => {
          const [nearest] = rows.matmul(bank).topk(numberOf(state, "k"), { dim: 1 }); // [chunk, k]
          return nearest.mean([1]);
        }),
      );
    return torch.cat(guidance).mul(negativeEnergy(logits));
  },
});
