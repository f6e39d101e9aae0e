import { DiffusionError } from "./errors.ts";

/**
 * Models that were distilled to draw in few steps without guidance, by their published names: their files do not say it,
 * and guidance ruins their images without a word.
 */
const WITHOUT_GUIDANCE = /(^|[/\\_-])sd[-_]?turbo/i;

/**
 * Refuses guidance for a model that was distilled without it (Sauer et al. 2023, "Adversarial diffusion distillation").
 * @throws DiffusionError naming the settings that it needs
 */
export function requireOwnGuidance(name: string, guidanceScale: number | undefined): void {
  if (guidanceScale === undefined || guidanceScale === 1 || !WITHOUT_GUIDANCE.test(name)) return;
  throw new DiffusionError(
    `${name} was distilled to draw without guidance, in one to four steps; guidanceScale is ${guidanceScale}. Set "redraw.guidanceScale" to 1, and "redraw.steps" so that a strength takes one to four of them.`,
  );
}
