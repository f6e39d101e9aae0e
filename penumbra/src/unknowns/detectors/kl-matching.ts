import * as torch from "@penumbra/torch";
import { defineDetector, tensorOf } from "./detector.ts";
import { classMeans } from "./gaussians.ts";

// A mean is 0 only where float64 cannot hold it; its logarithm must stay finite.
const SMALLEST = 1e-300;

/**
 * KL matching: -min_c KL(p || d_c), d_c the mean softmax of the VALIDATION images that were called c (Hendrycks et al.
 * 2022, section 4; OpenOOD). A class that no validation image was called is matched by none.
 */
export const klMatching = defineDetector({
  title: "KL matching",
  description:
    "Divergence from the nearest class's mean softmax on validation images (Hendrycks et al. 2022)",
  needs: ["logits"],
  fitsOn: "validation",
  tuning: null,
  learn: ({ logits }) => {
    const called = logits.argmax({ dim: 1 }).toNumbers();
    return { numbers: {}, tensors: { means: classMeans(logits.softmax(1), called).means } }; // [called classes, C]
  },
  score: (state, { logits }) => {
    const probabilities = logits.softmax(1); // [N, C]
    const own = torch.xlogy(probabilities, probabilities).sum([1], { keepdim: true }); // [N, 1]
    const crossed = probabilities.matmul(tensorOf(state, "means").clampMin(SMALLEST).log().t()); // [N, called classes]
    return own
      .sub(crossed)
      .amin({ dim: [1] })
      .neg();
  },
});
