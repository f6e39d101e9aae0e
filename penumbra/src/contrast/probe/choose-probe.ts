import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { ContrastError } from "../errors.ts";
import { fitLinearProbe, type LinearProbe, type ProbeOptions } from "./linear-probe.ts";

/** Features with the class of each image. */
export interface LabelledFeatures {
  /** [N, D]. */
  readonly features: Tensor;
  readonly labels: readonly number[];
}

/** How one penalty did on the validation images. */
export interface ProbeTrial {
  readonly l2: number;
  readonly accuracy: number;
  /** Negative log-likelihood in nats. */
  readonly nll: number;
}

/**
 * Fits a linear probe for each penalty and keeps the one with the best VALIDATION accuracy; of equal ones that with the
 * lower validation NLL. Test images have no say.
 *
 * @param candidates penalties to try
 * @throws ContrastError when there are no candidates, or as {@link fitLinearProbe}
 */
export function chooseProbe(
  train: LabelledFeatures,
  validation: LabelledFeatures,
  candidates: readonly number[],
  options: Omit<ProbeOptions, "l2"> = {},
): { probe: LinearProbe; trials: ProbeTrial[] } {
  const fitted = candidates.map((l2) => {
    const probe = fitLinearProbe(train.features, train.labels, { ...options, l2 });
    return { probe, trial: { l2, ...measure(probe, validation) } };
  });
  const [first, ...others] = fitted;
  if (!first)
    throw new ContrastError("There is no penalty to choose from. Give at least one candidate for l2.");
  const best = others.reduce((leader, next) => (isBetter(next.trial, leader.trial) ? next : leader), first);
  return { probe: best.probe, trials: fitted.map(({ trial }) => trial) };
}

function isBetter(a: ProbeTrial, b: ProbeTrial): boolean {
  return a.accuracy > b.accuracy || (a.accuracy === b.accuracy && a.nll < b.nll);
}

function measure(probe: LinearProbe, { features, labels }: LabelledFeatures): Omit<ProbeTrial, "l2"> {
  return scope(() => {
    const logits = probe.logits(features); // [N, C]
    const targets = torch.fromTyped(BigInt64Array.from(labels, BigInt), [labels.length]);
    return {
      accuracy: logits.argmax({ dim: 1 }).eq(targets).to("float64").mean().item(),
      nll: logits.crossEntropyLoss(targets).item(),
    };
  });
}
