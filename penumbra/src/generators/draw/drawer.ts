import type { Tensor } from "@penumbra/torch";
import type { z } from "zod";
import type { Photo } from "../../data/index.ts";
import type { GenerateOptions, Hand } from "./generate.ts";

/** What a drawer makes itself ready with. */
export interface DrawerRequest extends Pick<GenerateOptions, "model" | "out" | "seed" | "settings"> {
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
