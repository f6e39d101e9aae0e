import type { Tensor } from "@penumbra/torch";
import { negativeEnergy } from "./energy.ts";
import type { Classifier } from "./samples.ts";

/** Logits of features by a classifier, h W' + b: [N, D] -> [N, C]. */
export function logitsBy({ weight, bias }: Classifier, features: Tensor): Tensor {
  return features.matmul(weight.t()).add(bias);
}

/** ln sum_c exp(f_c) of the logits that a classifier gives to features: what detectors read that reshape features. */
export function energyBy(classifier: Classifier, features: Tensor): Tensor {
  return negativeEnergy(logitsBy(classifier, features));
}
