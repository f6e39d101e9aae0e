import { DiffusionError } from "./errors.ts";

/**
 * Models that were distilled to draw in few steps without guidance, by their published names: their files do not say it,
 * and guidance ruins their images without a word.
 */
const WITHOUT_GUIDANCE = /(^|[/\\_-])sd[-_]?turbo/i;

/** The most steps that such a model was distilled for. */
const MOST_STEPS = 4;

/** What a model is to be drawn with, as far as it is known. */
export interface DrawnWith {
  readonly guidanceScale?: number | undefined;
  /** The most that any image takes, whatever they are of a whole walk. */
  readonly steps?: number | undefined;
}

/**
 * Refuses guidance and many steps for a model that was distilled without them (Sauer et al. 2023, "Adversarial diffusion
 * distillation").
 * @throws DiffusionError naming the settings that it needs
 */
export function requireOwnWay(name: string, { guidanceScale = 1, steps = 1 }: DrawnWith): void {
  if (!WITHOUT_GUIDANCE.test(name) || (guidanceScale === 1 && steps <= MOST_STEPS)) return;
  const wrong = [
    ...(guidanceScale === 1 ? [] : [`guidanceScale is ${guidanceScale}`]),
    ...(steps <= MOST_STEPS ? [] : [`an image takes ${steps} steps`]),
  ];
  throw new DiffusionError(
    `${name} was distilled to draw without guidance, in one to four steps; ${wrong.join(", and ")}. Set "redraw.guidanceScale" to 1, and "redraw.steps" so that a strength takes one to four of them.`,
  );
}
