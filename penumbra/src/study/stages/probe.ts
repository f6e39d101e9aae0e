import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { safetensors } from "@penumbra/torch";
import { chooseProbe, type LinearProbe, probeOf } from "../../contrast/index.ts";
import type { Split } from "../../data/index.ts";
import type { ProbeChoice } from "../../results/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, labelsOf, photosHash, type StudyContext } from "./context.ts";
import { featuresFile } from "./features.ts";

const PROBE_FILE = "probe.safetensors";

/** Linear classifier on the frozen features of the training photos; validation accuracy chooses the penalty. */
export function probeStage(
  context: StudyContext,
  split: Split,
  features: Artifact,
  arm: string,
  seed: number,
): Promise<Artifact> {
  const { classes, config, store } = context;
  return store.run({
    name: "probe",
    version: 1,
    label: labelOf(context, seed, arm),
    inputs: { features, train: photosHash(split.train), validation: photosHash(split.validation) },
    config: { l2: config.probe.l2 },
    run: async ({ folder }) => {
      const { tensors } = safetensors.read(join(features.folder, featuresFile));
      const part = (name: "train" | "validation") => {
        const rows = tensors[name];
        if (!rows)
          throw new Error(
            `${features.folder} has no features of the ${name} photos. Remove the folder and run again.`,
          );
        return { features: rows, labels: labelsOf(split[name], classes) };
      };
      const { probe, trials } = onOneThread(() =>
        chooseProbe(part("train"), part("validation"), config.probe.l2, { classes: classes.length }),
      );
      safetensors.write(
        join(folder, PROBE_FILE),
        { weight: probe.weight, bias: probe.bias },
        { l2: String(probe.l2) },
      );
      return {
        l2: probe.l2,
        iterations: probe.iterations,
        trials: trials.map(({ l2, accuracy, nll }) => ({ l2, accuracy, nll })),
      };
    },
  });
}

/** The penalties that were tried for the probe of an artifact, and the chosen one. */
export function probeTrialsOf({ manifest }: Artifact): Pick<ProbeChoice, "l2" | "trials"> {
  const { l2, trials } = manifest.notes as Pick<ProbeChoice, "l2" | "trials">;
  return { l2, trials };
}

/** The probe of an artifact. */
export function loadProbe(artifact: Artifact): LinearProbe {
  const { tensors, metadata } = safetensors.read(join(artifact.folder, PROBE_FILE));
  const { weight, bias } = tensors;
  if (!weight || !bias)
    throw new Error(`${artifact.folder} holds no probe. Remove the folder and run again.`);
  return probeOf(weight, bias, Number(metadata.l2));
}

/**
 * The solver makes thousands of tiny matrix products, for which a second thread is no faster, and on a busy machine
 * many times slower: threads spin while they wait for each other.
 */
function onOneThread<T>(fn: () => T): T {
  const threads = torch.getNumThreads();
  torch.setNumThreads(1);
  try {
    return fn();
  } finally {
    torch.setNumThreads(threads);
  }
}
