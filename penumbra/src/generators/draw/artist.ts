import type { Tensor } from "@penumbra/torch";
import type { ImageKind } from "../../data/index.ts";

/** One way in which a generator draws: its natural dial in a range that gives images of one kind. */
export interface DrawingWay {
  /** What people call its images, as "prior" in "prior samples". */
  readonly title: string;
  /** One sentence for people. */
  readonly description: string;
  readonly kind: ImageKind;
  /** Whether it can only be followed where there are two classes or more. */
  readonly needsOtherClass: boolean;
  /** Whether the dial is a strength: from 0, the photo as it is, to 1, far from it. */
  readonly hasStrength: boolean;
  /** What the dial is, with its unit and direction. */
  readonly dial: string;
  /** Lowest and highest position of the dial. */
  readonly range: readonly [number, number];
  /** Positions of the dial, of which each image gets one by its seed. */
  readonly values: readonly number[];
}

/** What one image is drawn from. */
export interface DrawingItem {
  /** Row of the photo that it belongs to. */
  readonly photo: number;
  /** Row of a photo of another class; the photo itself where the way needs none. */
  readonly otherPhoto: number;
  /** Places of the two photos' classes in the model's list. */
  readonly label: number;
  readonly otherLabel: number;
  readonly dial: number;
  /** Decides about all of the image's randomness. */
  readonly seed: number;
}

/** A finished model, ready to draw. */
export interface LoadedGenerator {
  /** Edge of its images in pixels. */
  readonly imageSize: number;
  /** The classes that it learned. */
  readonly classes: readonly string[];
  /** SHA-256 of all that it was loaded from. */
  readonly hash: string;
  /**
   * Draws images; what one looks like does not depend on the others of the call, beyond rounding.
   *
   * @param way one of its artist's ways
   * @param photos float32 [N, 3, S, S] in -1..1, on the model's device
   * @returns float32 [items, 3, S, S], about -1..1
   */
  draw(way: string, items: readonly DrawingItem[], photos: Tensor): Tensor;
}

/** How the models of a generator draw, given photos. */
export interface PhotoArtist {
  /** By name, in the order in which they are drawn and shown. */
  readonly ways: Readonly<Record<string, DrawingWay>>;
  /**
   * @param options.classes of the photos, for published models that know any words; others know their own
   * @throws GeneratorError for a folder that holds no model of this generator
   */
  load(folder: string, options?: { device?: string; classes?: readonly string[] }): LoadedGenerator;
}
