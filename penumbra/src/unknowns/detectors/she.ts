import * as torch from "@penumbra/torch";
import { UnknownsError } from "../errors.ts";
import { defineDetector, tensorOf } from "./detector.ts";
import { classMeans } from "./gaussians.ts";

/**
 * Simplified Hopfield energy: h . m_c with the pattern m_c of the class c that the image is called, the mean feature of
 * c's CORRECTLY named training images (Zhang et al. 2023, "Out-of-distribution detection based on in-distribution data
 * patterns memorization with modern Hopfield energy", eq. 7). A class of which none is named correctly keeps the mean
 * of all its training images; the published code then divides by 0.
 */
export const she = defineDetector({
  title: "SHE",
  description:
    "Inner product with the mean feature of the class that the image is called (Zhang et al. 2023)",
  needs: ["features", "logits"],
  fitsOn: "train",
  tuning: null,
  learn: ({ features, logits, labels }) => {
    const [rows, classes] = logits.shape as [number, number];
    const known = labels(rows);
    const called = logits.argmax({ dim: 1 }).toNumbers();
    const right = new Set(known.filter((label, index) => called[index] === label));
    const counted = known.flatMap((label, index) => {
      return called[index] === label || !right.has(label) ? [index] : [];
    });
    const { means, classes: seen } = classMeans(
      features.indexSelect(0, torch.tensor(counted, { dtype: "int64" })),
      counted.map((index) => known[index] as number),
    );
    const missing = Array.from({ length: classes }, (_, c) => c).find((c) => !seen.includes(c));
    if (missing !== undefined) {
      throw new UnknownsError(
        `SHE has no training image of class ${missing} of ${classes}. Fit it on images of every class.`,
      );
    }
    return { numbers: {}, tensors: { patterns: means } }; // [C, D]
  },
  score: (state, { features, logits }) =>
    features.mul(tensorOf(state, "patterns").indexSelect(0, logits.argmax({ dim: 1 }))).sum([1]),
});
