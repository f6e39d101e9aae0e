import type { Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { Photo } from "../../data/index.ts";
import type { GenerateOptions, Hand } from "./generate.ts";

/** What words are learned from. */
export interface WordsRequest extends Pick<GenerateOptions, "model" | "out" | "seed" | "settings"> {
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
