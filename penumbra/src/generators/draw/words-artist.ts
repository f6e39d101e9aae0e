import type { Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { ImageKind, ImageLine, Photo } from "../../data/index.ts";
import type { DrawingRequest } from "./draw.ts";

/** Something that draws more images like photos, ready to begin. */
export interface Hand {
  readonly imageSize: number;
  /** SHA-256 of the model. */
  readonly hash: string;
  /** Names of its ways to draw images of a kind. */
  ways(kind: ImageKind): readonly string[];
  /** Draws what is not there yet. @param pixels uint8 [N, 3, S, S] of the photos */
  draw(
    requests: readonly DrawingRequest[],
    pixels: Tensor,
    onProgress: (done: number, total: number) => void,
  ): Promise<readonly ImageLine[]>;
}

/** What words are learned from. */
export interface WordsRequest {
  /** The model that draws. Default: penumbra-mini. */
  readonly model?: string;
  /** Of learning and drawing. */
  readonly settings: object;
  /** Gets what is learned. */
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

/** How models that draw by words make more of the kind of photos: a word is learned for each class first. */
export interface WordsArtist {
  /** Of learning and drawing: names, defaults and bounds. */
  readonly settings: z.ZodType<object>;
  /** Learns the words, or goes on; null when the signal ended it before. */
  hand(request: WordsRequest): Promise<Hand | null>;
}
