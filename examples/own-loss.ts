/**
 * A loss of one's own in a study: the focal loss, beside the arms that Penumbra brings.
 *
 *     node --import tsx --conditions=source examples/own-loss.ts study.yaml
 *
 * In study.yaml: `arms: [cross-entropy, focal]`, and if you like `objectives: { focal: { gamma: 1 } }`.
 */
import { resolve } from "node:path";
import * as torch from "@penumbra/torch";
import { contrast, report, study } from "penumbra";
import { z } from "zod";

/** Focal loss (Lin et al. 2017, eq. 4): the mean of -(1 - p_y)^gamma ln p_y; gamma 0 is cross-entropy. */
export const focal = contrast.defineObjective({
  title: "Focal",
  description: "Cross-entropy that looks away from what is already certain",
  version: 1, // another number whenever the code below changes: a study then trains anew
  settings: z.strictObject({
    gamma: z.number().min(0).meta({ description: "How far it looks away; 0 = not at all" }).default(2),
  }),
  negatives: {},
  needsNegativeLabels: () => false,
  makeHead: ({ dimensions, classes }) => new torch.nn.Linear(dimensions, classes),
  loss({ rows, views, labels }, { gamma }) {
    const own = torch.tensor(Array.from({ length: views }, () => labels).flat(), { dtype: "int64" });
    const logP = rows.logSoftmax(1).gather(1, own.to(rows.device).unsqueeze(1)); // ln p_y, [V B, 1]
    return logP.exp().neg().add(1).pow(gamma).mul(logP).mean().neg();
  },
  plateau: ({ classes }, { gamma }) => (1 - 1 / classes) ** gamma * Math.log(classes),
  collapseRemedy: "Lower gamma, or train for more steps.",
});

/** The tables of a study with the loss, and an arm that trains for it. */
export const tables = study.tablesWith({
  objectives: { focal },
  arms: {
    focal: {
      title: "Focal loss",
      description: "The focal loss on real photos alone",
      objective: "focal",
      positives: null,
      negatives: null,
      use: null,
    },
  },
});

/** Runs a study that may name the arm; returns the path of its report. */
export async function runWithFocal(config: string, out?: string): Promise<string> {
  const planned = study.planStudy(await study.loadConfig(config, tables), out);
  await study.runStudy(planned);
  return report.writeReport(planned.run);
}

if (process.argv[1] && import.meta.filename === resolve(process.argv[1])) {
  const [config] = process.argv.slice(2);
  if (!config)
    throw new Error("Usage: node --import tsx --conditions=source examples/own-loss.ts STUDY.yaml");
  console.log(await runWithFocal(config));
}
