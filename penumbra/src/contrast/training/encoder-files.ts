import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nn, type Precision, safetensors, scope } from "@penumbra/torch";
import { z } from "zod";
import { writeFileAtomicSync } from "../../files/index.ts";
import { ContrastError } from "../errors.ts";
import { NEGATIVE_USES, type NegativeUse } from "../losses/negative-uses.ts";
import type { LossSettings } from "../losses/objective.ts";
import { type ObjectiveTable, objectiveOf } from "../losses/objectives.ts";
import { Encoder, NETWORKS, type ResolvedEncoderConfig } from "./encoder.ts";
import type { TrainedEncoder } from "./trained-encoder.ts";

const part = z.object({ loss: z.number(), accuracy: z.number() });

const triple = z.tuple([z.number(), z.number(), z.number()]);

/** What `encoder.json` holds. */
const fileSchema = z.object({
  format: z.literal(1),
  /** With the sizes that the table of networks has for it. */
  network: z.looseObject({ network: z.enum(NETWORKS), mean: triple, std: triple }),
  objective: z.string().nullable(),
  loss: z.custom<LossSettings>((value) => typeof value === "object" && value !== null),
  classes: z.int().positive(),
  use: z.enum(Object.keys(NEGATIVE_USES) as NegativeUse[]).nullable(),
  precision: z.custom<Precision>((value) => typeof value === "object" && value !== null),
  collapse: z.object({ loss: z.number(), plateau: z.number(), message: z.string() }).nullable(),
  losses: z.array(z.number()),
  evaluations: z.array(z.object({ step: z.int(), train: part, validation: part })),
  keptStep: z.int().nonnegative(),
});

/**
 * Saves an encoder with its head: `encoder.safetensors` with its published names, `head.safetensors`, and
 * `encoder.json` with what made them, which is written last.
 */
export function saveEncoder(folder: string, trained: TrainedEncoder): void {
  mkdirSync(folder, { recursive: true });
  const { encoder, head, objective, loss, classes, use, losses, collapse, precision } = trained;
  const { evaluations, keptStep } = trained;
  safetensors.write(join(folder, "encoder.safetensors"), encoder.network.stateDict(), { format: "pt" });
  safetensors.write(join(folder, "head.safetensors"), head.stateDict(), { format: "pt" });
  const description: z.output<typeof fileSchema> = {
    format: 1,
    network: { ...encoder.config, mean: [...encoder.config.mean], std: [...encoder.config.std] },
    objective,
    loss,
    classes,
    use,
    precision,
    collapse,
    losses: [...losses],
    evaluations: [...evaluations],
    keptStep,
  };
  const path = join(folder, "encoder.json");
  writeFileAtomicSync(path, `${JSON.stringify(description)}\n`);
}

/**
 * Loads what {@link saveEncoder} wrote, in evaluation mode.
 *
 * @param options.device default "cpu"
 * @param options.objectives where its objective is looked up; default the room's own
 * @throws ContrastError when the folder holds no encoder, or one that this version cannot read
 */
export function loadEncoder(
  folder: string,
  { device = "cpu", objectives }: { readonly device?: string; readonly objectives?: ObjectiveTable } = {},
): TrainedEncoder {
  const { format: _, network, ...rest } = readDescription(join(folder, "encoder.json"));
  return scope(() => {
    const encoder = nn.init.skip(() => new Encoder(network as ResolvedEncoderConfig));
    const head =
      rest.objective === null
        ? new nn.Identity()
        : objectiveOf(rest.objective, objectives).makeHead(
            { dimensions: encoder.dimensions, classes: rest.classes, use: rest.use },
            rest.loss,
          );
    load(encoder.network, join(folder, "encoder.safetensors"));
    load(head, join(folder, "head.safetensors"));
    encoder.to({ device, memoryFormat: "channelsLast" }).eval();
    head.to({ device }).eval();
    return { encoder, head, ...rest };
  });
}

function load(module: nn.Module, path: string): void {
  module.loadStateDict(safetensors.read(path).tensors);
}

function readDescription(path: string): z.output<typeof fileSchema> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ContrastError(`There is no encoder at ${path}: ${(error as Error).message}. Train one first.`);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new ContrastError(`${path} is no JSON: ${(error as Error).message}. Train the encoder again.`);
  }
  const parsed = fileSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new ContrastError(
    `${path} describes no encoder of this version: ${z.prettifyError(parsed.error)}. Train it again.`,
  );
}
