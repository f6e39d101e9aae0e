/** Why a classifier judged objects as it did, as plain data: `penumbra predict --explain` draws its page of it. */

export interface ExplanationPage {
  readonly classifier: string;
  /** Side of the grid of hidden places. */
  readonly places: number;
  readonly objects: readonly ExplainedObject[];
}

export interface ExplainedObject {
  readonly name: string;
  readonly isUnknown: boolean;
  /** The class, or the one that an unknown object resembles. */
  readonly className: string;
  readonly confidence: number;
  readonly pValue: number;
  readonly others: readonly { readonly className: string; readonly probability: number }[];
  /** Each photo and its map, as paths beside the page. */
  readonly views: readonly { readonly photo: string; readonly image: string; readonly heat: string }[];
  /** Training photos that resemble it most, as paths beside the page. */
  readonly neighbours: readonly {
    readonly id: string;
    readonly className: string;
    readonly similarity: number;
    readonly image: string;
  }[];
}
