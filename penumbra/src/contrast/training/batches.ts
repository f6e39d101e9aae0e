import { deriveSeed, Random } from "@penumbra/torch";
import { ShuffledRounds } from "../../data/index.ts";

export interface BatchPlan {
  readonly seed: number;
  /** Real images: N. */
  readonly images: number;
  /** Real images per step: B. */
  readonly batchSize: number;
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
}

/**
 * The batches of a training: each a pure function of plan and step, so that training resumes with nothing but the step
 * and arms of one seed see the same photos in the same versions.
 *
 * Images come in shuffled rounds, every image once a round; a batch may end one round and begin the next. Negatives
 * likewise, in rounds of their own. When real image i is drawn, with probability alpha one of ITS variants replaces it
 * (DA-Fusion, Trabucco et al. 2023), in all its views or in each by itself.
 */
export class Batches {
  readonly #plan: BatchPlan;
  readonly #images: ShuffledRounds;
  readonly #negatives: ShuffledRounds;

  constructor(plan: BatchPlan) {
    this.#plan = plan;
    const rounds = (name: "images" | "negatives") =>
      new ShuffledRounds(plan[name], (round) => deriveSeed(plan.seed, "order", name, round));
    this.#images = rounds("images");
    this.#negatives = rounds("negatives");
  }

  at(step: number): Batch {
    const { seed, batchSize, views, negativesPerStep } = this.#plan;
    const places = Array.from({ length: batchSize }, (_, place) => place);
    const images = this.#images.take(step * batchSize, batchSize);
    const columns = Array.from({ length: negativesPerStep }, (_, column) => column);
    const negatives = this.#negatives.take(step * negativesPerStep, negativesPerStep);
    const seeds = [
      ...Array.from({ length: views }, (_, view) =>
        places.map((place) => deriveSeed(seed, "view", step, place, view)),
      ),
      columns.map((column) => deriveSeed(seed, "negative", step, column)),
    ].flat();
    return { images, variants: this.#variantsAt(step, images), negatives, seeds };
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
