import { z } from "zod";
import { UnknownsError } from "../errors.ts";

/** What is chosen on validation unknowns: lists of candidates, of which the table's entry makes options to fit with. */
export interface Tuning<Options extends object> {
  /** The candidates with description and default: the configuration's section `tuning.NAME` is made of it. */
  readonly settings: z.ZodObject<Record<string, z.ZodType<unknown[]>>>;
  /**
   * The options to try, the first of which is taken where there is nothing to choose by. Never empty.
   * @throws UnknownsError where none of the candidates is possible with so few images
   */
  candidates(settings: Readonly<Record<string, unknown>>, trainImages: number): Options[];
}

/** Candidates for one setting: what each is, what it means, and the usual ones. */
export function candidatesFor<T>(item: z.ZodType<T>, description: string, usual: readonly T[]) {
  return z
    .array(item)
    .min(1)
    .meta({ description })
    .default(() => [...usual] as z.util.NoUndefined<T[]>);
}

/** Tries all combinations of the candidates, the first of each first. */
export function everyCombination<Options extends object>(
  shape: { readonly [Name in keyof Options]?: z.ZodType<unknown[]> },
): Tuning<Options> {
  const settings = z.strictObject(shape as Record<string, z.ZodType<unknown[]>>);
  return {
    settings,
    candidates: (given) =>
      Object.entries(settings.parse(given)).reduce<Options[]>(
        (all, [name, values]) =>
          all.flatMap((options) => (values as unknown[]).map((value) => ({ ...options, [name]: value }))),
        [{} as Options],
      ),
  };
}

/** Candidates for a number of neighbours; those above the number of training images are left out. */
export const neighbours: Tuning<{ readonly k?: number }> = {
  settings: z.strictObject({
    k: candidatesFor(
      z.int().positive(),
      "Candidates for the number of neighbours; those above the number of training photos are left out",
      [1, 5, 10, 20],
    ),
  }),
  candidates(settings, trainImages) {
    const { k } = this.settings.parse(settings) as { k: number[] };
    const possible = k.filter((count) => count <= trainImages);
    if (possible.length === 0) {
      throw new UnknownsError(
        `No candidate for the number of neighbours (${k.join(", ")}) can be tried with ${trainImages} training images. Add a smaller one to "k", such as 1.`,
      );
    }
    return possible.map((count) => ({ k: count }));
  },
};
