import type { Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { ImageKind, ImageLine, Photo } from "../../data/index.ts";
import type { DrawingRequest } from "./draw.ts";

/** Something that draws more images like photos, ready to begin. */
export interface Hand {
  readonly imageSize: number;
  /** SHA-256 of the model; null where there is none. */
  readonly hash: string | null;
  /** Names of its ways to draw images of a kind. */
  ways(kind: ImageKind): readonly string[];
  /** Draws what is not there yet. @param pixels uint8 [N, 3, S, S] of the photos */
  draw(
    requests: readonly DrawingRequest[],
    pixels: Tensor,
    onProgress: (done: number, total: number) => void,
  ): Promise<readonly ImageLine[]>;
}

/** What a drawer makes itself ready with. */
export interface DrawerRequest {
  /** Of those that draw with a model; default: penumbra-mini. */
  readonly model?: string;
  /** Of getting ready and drawing. */
  readonly settings: object;
  /** Gets what is made. */
  readonly out: string;
  readonly seed: number;
  readonly photos: readonly Photo[];
  /** uint8 [N, 3, size, size] of the photos, on the CPU; the caller's to release. */
  decode(size: number): Promise<Tensor>;
  readonly device?: string;
  readonly signal?: AbortSignal;
  readonly onLine?: (line: string) => void;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What makes more of the kind of photos without a network that learned from them: with words, or with none at all. */
export interface Drawer {
  /** Of getting ready and drawing: names, defaults and bounds. */
  readonly settings: z.ZodType<object>;
  /** Makes it ready, or goes on with that; null when the signal ended it before. */
  hand(request: DrawerRequest): Promise<Hand | null>;
}
