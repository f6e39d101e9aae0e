// The table of algorithms that denoise. A new one is a file beside this one and a line in the table.
import type { Tensor } from "@penumbra/torch";
import { z } from "zod";
import { DiffusionError, type SchedulerConfig } from "../model/index.ts";
import { ddim } from "./ddim.ts";
import type { Sampler, SamplerStep } from "./sampler.ts";

export const SAMPLERS = { ddim } as const satisfies Record<string, Sampler>;

export type SamplerName = keyof typeof SAMPLERS;
export const samplerNames = Object.keys(SAMPLERS) as [SamplerName, ...SamplerName[]];

type SettingsOf<Name extends SamplerName> = z.output<(typeof SAMPLERS)[Name]["settings"]>;

/** A sampler by its name, with those of its settings that differ from the defaults: `{ name: "ddim", eta: 1 }`. */
export type SamplerChoice = {
  [Name in SamplerName]: { readonly name: Name } & Readonly<Partial<SettingsOf<Name>>>;
}[SamplerName];

/** The settings of all samplers, each in a section of its own: the `redraw.samplers` of a study. */
export const SamplerSettings = z.strictObject(
  Object.fromEntries(
    Object.entries(SAMPLERS).map(([name, { title, description, settings }]) => [
      name,
      settings.meta({ description: `${title}: ${description}` }).prefault({}),
    ]),
  ) as { [Name in SamplerName]: z.ZodPrefault<(typeof SAMPLERS)[Name]["settings"]> },
);

/** A sampler with its settings, ready to be used with models of any noise schedule. */
export interface ReadySampler {
  /** Name and all settings: what manifests and identities hold. */
  readonly choice: SamplerChoice;
  readonly needsNoise: boolean;
  timesteps(config: SchedulerConfig, steps: number): readonly number[];
  step(config: SchedulerConfig, step: SamplerStep): Tensor;
}

/** The sampler that a model's scheduler_config.json asks for; DDIM, which suits every noise schedule, where none here is. */
export function defaultSampler(config: SchedulerConfig): SamplerChoice {
  const asksFor = ({ schedulers }: Sampler) => schedulers.includes(config._class_name);
  return { name: samplerNames.find((name) => asksFor(SAMPLERS[name])) ?? "ddim" };
}

/** @throws DiffusionError for a name that is not in the table, or a setting that the sampler cannot have */
export function readySampler({ name, ...given }: SamplerChoice): ReadySampler {
  const sampler: Sampler | undefined = Object.hasOwn(SAMPLERS, name) ? SAMPLERS[name] : undefined;
  if (!sampler)
    throw new DiffusionError(`There is no sampler "${name}". Choose one of: ${samplerNames.join(", ")}.`);
  const result = sampler.settings.safeParse(given);
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `"${path.join(".")}": ${message}`);
    throw new DiffusionError(
      `The settings of the sampler "${name}" are not valid: ${problems.join("; ")}. Correct or leave them out.`,
    );
  }
  const settings = result.data;
  return {
    choice: { name, ...settings } as SamplerChoice,
    needsNoise: sampler.needsNoise(settings),
    timesteps: (config, steps) => sampler.timesteps(config, steps),
    step: (config, step) => sampler.step(config, step, settings),
  };
}
