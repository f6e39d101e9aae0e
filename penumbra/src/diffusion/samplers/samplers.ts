// The table of algorithms that denoise. A new one is a file beside this one and a line in the table.
import { z } from "zod";
import { alphasCumprod, DiffusionError, type SchedulerConfig } from "../model/index.ts";
import { ddim } from "./ddim.ts";
import { ddpm } from "./ddpm.ts";
import { dpmSolver } from "./dpm-solver.ts";
import { euler } from "./euler.ts";
import { eulerAncestral } from "./euler-ancestral.ts";
import { lcm } from "./lcm.ts";
import { pndm } from "./pndm.ts";
import type { Sampler, SamplerStep, SamplerStepResult, Walk } from "./sampler.ts";
import { unipc } from "./unipc.ts";

export const SAMPLERS = {
  ddim,
  ddpm,
  pndm,
  euler,
  "euler-ancestral": eulerAncestral,
  "dpm-solver++": dpmSolver,
  unipc,
  lcm,
} as const satisfies Record<string, Sampler>;

export type SamplerName = keyof typeof SAMPLERS;
export const samplerNames = Object.keys(SAMPLERS) as [SamplerName, ...SamplerName[]];

type SettingsOf<Name extends SamplerName> = z.output<(typeof SAMPLERS)[Name]["settings"]>;

/** Samplers that can be told something. */
type Told = {
  [Name in SamplerName]: SettingsOf<Name> extends Record<string, never> ? never : Name;
}[SamplerName];

/** A sampler by its name, with those of its settings that differ from the defaults: `{ name: "ddim", eta: 1 }`. */
export type SamplerChoice = {
  [Name in SamplerName]: { readonly name: Name } & (Name extends Told
    ? Readonly<Partial<SettingsOf<Name>>>
    : unknown);
}[SamplerName];

/** The settings of all samplers that have some, each in a section of its own: the `redraw.samplers` of a study. */
export const SamplerSettings = z.strictObject(
  Object.fromEntries(
    Object.entries<Sampler & { settings: z.ZodObject }>(SAMPLERS)
      .filter(([, { settings }]) => Object.keys(settings.shape).length > 0)
      .map(([name, { title, description, settings }]) => [
        name,
        settings.meta({ description: `${title}: ${description}` }).prefault({}),
      ]),
  ) as { [Name in Told]: z.ZodPrefault<(typeof SAMPLERS)[Name]["settings"]> },
);

/** A sampler with its section of settings. */
export function chosenSampler(name: SamplerName, settings: z.output<typeof SamplerSettings>): SamplerChoice {
  const own = (settings as Readonly<Partial<Record<SamplerName, object>>>)[name];
  return { name, ...own } as SamplerChoice;
}

/** A sampler with its settings, ready to be used with models of any noise schedule. */
export interface ReadySampler {
  /** Name and all settings: what manifests and identities hold. */
  readonly choice: SamplerChoice;
  readonly needsNoise: boolean;
  maxSteps(config: SchedulerConfig): number;
  /**
   * The walk from a strength's timestep to the image: the last min(floor(steps * strength), steps) steps, as diffusers'
   * `get_timesteps` has it; none of any where that is 0.
   * @param strength 0 … 1; default 1
   * @throws DiffusionError for a number of steps, a strength or a configuration that the sampler cannot follow
   */
  walk(config: SchedulerConfig, steps: number, strength?: number): Walk;
  /** Share of the image's variance at a timestep. */
  alphaAt(config: SchedulerConfig, timestep: number): number;
  /** Deviation of the noise that a walk from nothing begins with. */
  initialNoise(walk: Walk): number;
  step(walk: Walk, step: SamplerStep): SamplerStepResult;
}

/**
 * The sampler that a model's scheduler_config.json asks for.
 * @throws DiffusionError for a scheduler that is not here: which one stands in is for the user to say
 */
export function defaultSampler({ _class_name: scheduler }: SchedulerConfig): SamplerChoice {
  const asksFor = ({ schedulers }: Sampler) => schedulers.includes(scheduler);
  const name = samplerNames.find((each) => asksFor(SAMPLERS[each]));
  if (name) return { name } as SamplerChoice;
  throw new DiffusionError(
    `The model asks for the scheduler ${scheduler} ("_class_name" in scheduler_config.json), which is not here. Choose a sampler that suits its noise schedule: ${samplerNames.join(", ")}.`,
  );
}

/** A noise schedule that asks for the given sampler from now on: what scheduler_config.json is to say. */
export function askFor(config: SchedulerConfig, name: SamplerName): SchedulerConfig {
  return { ...config, _class_name: SAMPLERS[name].schedulers[0] };
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
    maxSteps: (config) => sampler.maxSteps?.(config) ?? config.num_train_timesteps,
    walk: (config, steps, strength = 1) => walkOf(sampler, config, steps, strength),
    alphaAt: (config, timestep) =>
      sampler.alphaAt?.(config, timestep) ?? (alphasCumprod(config)[timestep] as number),
    initialNoise: (walk) => sampler.initialNoise?.(walk) ?? 1,
    step: (walk, step) => sampler.step(walk, step, settings),
  };
}

function walkOf(sampler: Sampler, config: SchedulerConfig, steps: number, strength: number): Walk {
  if (!(strength >= 0 && strength <= 1)) {
    throw new DiffusionError(
      `strength is ${strength}; it goes from 0 (the image as it is) to 1 (almost pure noise). Choose a number in that range.`,
    );
  }
  if (sampler.walk) return sampler.walk(config, steps, strength);
  const timesteps = sampler.timesteps(config, steps);
  const taken = Math.min(Math.floor(steps * strength), steps);
  return { config, steps, timesteps, start: taken === 0 ? timesteps.length : steps - taken };
}
