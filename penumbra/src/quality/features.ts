import type { Tensor } from "@penumbra/torch";
import { QualityError } from "./errors.ts";

/**
 * Checks two sets of features and brings them to float64 on the CPU: the sums below cancel to far fewer digits.
 *
 * @param least items that each set needs
 * @throws QualityError for shapes that do not fit, too few items, or features that are no numbers
 */
export function checkedPair(real: Tensor, fake: Tensor, least: number): [Tensor, Tensor] {
  const isMatrix = real.ndim === 2 && fake.ndim === 2 && real.shape[1] === fake.shape[1];
  if (!isMatrix) {
    throw new QualityError(
      `Features of shapes [${real.shape}] and [${fake.shape}] cannot be compared. Pass [N, D] of real and [M, D] of generated images, from the same layer.`,
    );
  }
  const checked = [real, fake].map((features, index) => {
    const what = index === 0 ? "real" : "generated";
    if ((features.shape[0] as number) < least) {
      throw new QualityError(
        `There are features of ${features.shape[0]} ${what} images; at least ${least} are needed. Pass more images.`,
      );
    }
    const exact = features.detach().to("cpu").to("float64");
    if (exact.isfinite().all().item() === 1) return exact;
    throw new QualityError(
      `The features of the ${what} images hold infinities or NaN. Look for the network's error first.`,
    );
  });
  return checked as [Tensor, Tensor];
}
