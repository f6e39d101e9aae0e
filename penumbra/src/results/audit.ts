/** What an arm's frozen features know of how an image was made, at one seed. */
export interface AuditResult {
  readonly arm: string;
  readonly seed: number;
  /**
   * AUROC of a linear probe, on held-out objects, that tells real validation photos from themselves through the
   * autoencoder and back: 0.5 = it cannot. Null without a diffusion model.
   */
  readonly roundTripProbe: number | null;
  /** The same for training photos against the images of each source. */
  readonly sources: readonly { readonly source: string; readonly probe: number }[];
  /** What a round trip does to known validation photos. Null without a diffusion model. */
  readonly moved: {
    /** Length of the move, as a share of the mean distance of a photo to its class's mean. */
    readonly shift: number;
    /** AUROC of the photos against their round trips by the Mahalanobis distance: above 0.5 = these look less known. */
    readonly lessKnown: number;
    /** Accuracy of the nearest class mean on the photos, and on their round trips. */
    readonly accuracy: number;
    readonly roundTripAccuracy: number;
  } | null;
}
