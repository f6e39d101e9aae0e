/**
 * A detector of one's own in a study: the margin between the two best classes, beside those that Penumbra brings.
 *
 *     node --import tsx --conditions=source examples/own-detector.ts study.yaml
 *
 * In study.yaml: `detectors: [msp, margin]`, or no line at all for the usual ones and this one.
 */
import { resolve } from "node:path";
import { report, study, unknowns } from "penumbra";

/** The largest logit minus the second largest: a photo between two classes is not surely of either. */
export const margin = unknowns.defineDetector({
  title: "Margin",
  description: "Largest logit minus the second largest",
  version: 1, // another number whenever the code below changes: a study then scores anew
  needs: ["logits"],
  fitsOn: "nothing",
  tuning: null,
  learn: () => ({ numbers: {}, tensors: {} }),
  score: (_, { logits }) => {
    const [best] = logits.topk(2, { dim: 1 }); // [N, 2], the largest first
    return best.select(1, 0).sub(best.select(1, 1));
  },
});

/** The tables of a study with the detector. */
export const tables = study.tablesWith({ detectors: { margin } });

/** Runs a study with the detector; returns the path of its report. */
export async function runWithMargin(config: string, out?: string): Promise<string> {
  const planned = study.planStudy(await study.loadConfig(config, tables), out);
  await study.runStudy(planned);
  return report.writeReport(planned.run);
}

if (process.argv[1] && import.meta.filename === resolve(process.argv[1])) {
  const [config] = process.argv.slice(2);
  if (!config)
    throw new Error("Usage: node --import tsx --conditions=source examples/own-detector.ts STUDY.yaml");
  console.log(await runWithMargin(config));
}
