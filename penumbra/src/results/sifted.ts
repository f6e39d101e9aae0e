/** What became of the images of a source that was sifted: plain data for the report. */
export interface SiftResult {
  /** The source whose images were sifted, by its name in the outcome's `sources`. */
  readonly source: string;
  /** Mean over seeds of the distance beyond which an image was too far; 1 = where known ends. */
  readonly upper: number;
  /** Mean over seeds of the shares of real validation photos: known ones inside their class, near unknowns inside some. */
  readonly knownInside: number;
  readonly nearInside: number | null;
  readonly nearInBand: number | null;
  readonly recipes: readonly SiftedRecipe[];
  /** Some images of the first seed. */
  readonly accepted: readonly SiftedImage[];
  readonly rejected: readonly SiftedImage[];
}

/** Over all seeds. */
export interface SiftedRecipe {
  readonly recipe: string;
  /** Images that were wanted, drawn in all attempts, and accepted. */
  readonly wanted: number;
  readonly drawn: number;
  readonly accepted: number;
  /** Share of the images of the first attempt in each role, in the order of the roles. */
  readonly roles: readonly { readonly role: string; readonly share: number }[];
  /** Lowest, median and highest strength over classes and seeds, where they were searched. */
  readonly strengths: readonly [number, number, number] | null;
}

export interface SiftedImage {
  readonly image: string;
  readonly recipe: string;
  readonly strength: number | null;
  readonly className: string;
  readonly role: string;
  readonly reason: string;
}
