import { deriveSeed, Random } from "@penumbra/torch";
import { ShuffledRounds } from "../../data/index.ts";
import type { MixKind } from "../losses/objective.ts";

export interface BatchPlan {
  readonly seed: number;
  /** Real images: N. */
  readonly images: number;
  /** Real images per step: B. */
  readonly batchSize: number;
  /** Class of each real image, [N]. */
  readonly labels: readonly number[];
  /** m: every step has B / m classes with m images each; 0 = images as they come. */
  readonly photosPerClass: number;
  /** How the images of a step are mixed with each other, or null. */
  readonly mix: MixKind | null;
  /** Random versions of each image: V. */
  readonly views: number;
  /** Faithful redraws of each real image, by index; empty where there are none. */
  readonly variants: readonly (readonly number[])[];
  /** With this probability a drawn image is replaced by one of its variants. */
  readonly faithfulProbability: number;
  /** Whether each view is replaced by itself; else all views of a place are of one image. */
  readonly variantsByView: boolean;
  /** Negatives-only images: M. */
  readonly negatives: number;
  /** Negatives per step, a fixed quota: K; 0 without negatives. */
  readonly negativesPerStep: number;
}

/** How the images of one view of a step are mixed: place by place the place of the partner, and a seed. */
export interface MixedView {
  readonly kind: Exclude<MixKind, "either">;
  readonly partners: readonly number[];
  readonly seeds: readonly number[];
}

/** What one step looks at. */
export interface Batch {
  /** The real image of each of the B places: its label counts, also where a variant stands in for it. */
  readonly images: readonly number[];
  /** The variant that replaces the image of each row, [V B] view by view, or null. */
  readonly variants: readonly (number | null)[];
  /** K indices of negatives. */
  readonly negatives: readonly number[];
  /** Seeds of the augmentation: view 0 of all B places, then view 1, …, then the K negatives. */
  readonly seeds: readonly number[];
  /** For each view; empty where nothing is mixed. */
  readonly mixed: readonly MixedView[];
}

/**
 * The batches of a training: each a pure function of plan and step, so that training resumes with nothing but the step
 * and arms of one seed see the same photos in the same versions.
 *
 * Images come in shuffled rounds, every image once a round; a batch may end one round and begin the next. Balanced
 * batches take classes in rounds, and of each its images in rounds of its own (the P K batches of Hermans et al. 2017):
 * a class with fewer images than m shows some of them twice. Negatives come in rounds too. When real image i is drawn, with probability alpha one of ITS variants replaces it
 * (DA-Fusion, Trabucco et al. 2023), in all its views or in each by itself.
 */
export class Batches {
  readonly #plan: BatchPlan;
  readonly #images: ShuffledRounds;
  readonly #negatives: ShuffledRounds;
  readonly #classes: readonly { readonly images: readonly number[]; readonly rounds: ShuffledRounds }[];
  readonly #classRounds: ShuffledRounds;

  constructor(plan: BatchPlan) {
    this.#plan = plan;
    const rounds = (count: number, ...name: (string | number)[]) =>
      new ShuffledRounds(count, (round) => deriveSeed(plan.seed, "order", ...name, round));
    this.#images = rounds(plan.images, "images");
    this.#negatives = rounds(plan.negatives, "negatives");
    const labels = [...new Set(plan.labels)].sort((a, b) => a - b);
    this.#classes = labels.map((label) => {
      const images = plan.labels.flatMap((other, image) => (other === label ? [image] : []));
      return { images, rounds: rounds(images.length, "class", label) };
    });
    this.#classRounds = rounds(labels.length, "classes");
  }

  at(step: number): Batch {
    const { seed, batchSize, views, negativesPerStep } = this.#plan;
    const places = Array.from({ length: batchSize }, (_, place) => place);
    const images = this.#imagesAt(step);
    const columns = Array.from({ length: negativesPerStep }, (_, column) => column);
    const negatives = this.#negatives.take(step * negativesPerStep, negativesPerStep);
    const seeds = [
      ...Array.from({ length: views }, (_, view) =>
        places.map((place) => deriveSeed(seed, "view", step, place, view)),
      ),
      columns.map((column) => deriveSeed(seed, "negative", step, column)),
    ].flat();
    return {
      ...{ images, variants: this.#variantsAt(step, images), negatives, seeds },
      mixed: this.#mixedAt(step),
    };
  }

  #imagesAt(step: number): number[] {
    const { batchSize, photosPerClass } = this.#plan;
    if (photosPerClass === 0) return this.#images.take(step * batchSize, batchSize);
    const classes = batchSize / photosPerClass;
    return Array.from({ length: classes }, (_, index) => step * classes + index).flatMap((position) => {
      const { images, rounds } = this.#classes[this.#classRounds.at(position)]!;
      const round = Math.floor(position / this.#classes.length); // how often the class was there before
      return rounds.take(round * photosPerClass, photosPerClass).map((place) => images[place] as number);
    });
  }

  #mixedAt(step: number): MixedView[] {
    const { seed, batchSize, views, mix } = this.#plan;
    if (mix === null) return [];
    return Array.from({ length: views }, (_, view) => {
      const random = new Random(deriveSeed(seed, "mix", step, view));
      const kind = mix === "either" ? random.choice(["mixup", "cutmix"] as const) : mix;
      const places = Array.from({ length: batchSize }, (_, place) => place);
      return {
        kind,
        partners: random.shuffle([...places]),
        seeds: places.map((place) => deriveSeed(seed, "mix", step, view, place)),
      };
    });
  }

  /** The variants of the rows of a step. */
  #variantsAt(step: number, images: readonly number[]): (number | null)[] {
    const { seed, views, variants, faithfulProbability, variantsByView } = this.#plan;
    const drawn = (view: readonly number[]) =>
      images.map((image, place) => {
        const own = variants[image] ?? [];
        if (own.length === 0) return null;
        const random = new Random(deriveSeed(seed, "variant", step, place, ...view));
        return random.uniform() < faithfulProbability ? random.choice(own) : null;
      });
    const forAll = variantsByView ? null : drawn([]);
    return Array.from({ length: views }, (_, view) => forAll ?? drawn([view])).flat();
  }
}
