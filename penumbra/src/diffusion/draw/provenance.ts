import { readDescription } from "../../images/index.ts";
import { DiffusionError } from "../model/index.ts";
import type { SamplerChoice } from "../samplers/index.ts";

/** How an image was made: what drawing it again needs. It stands in the image's metadata and in manifest.jsonl. */
export interface Provenance {
  /** Version of the format. */
  readonly penumbra: 1;
  readonly prompt: string;
  readonly negativePrompt: string;
  /** Words of one's own that the prompt holds, each with a hash of its vectors. */
  readonly words: readonly { readonly token: string; readonly hash: string }[];
  readonly seed: number;
  /** [height, width] in pixels. */
  readonly size: readonly [number, number];
  readonly steps: number;
  readonly guidanceScale: number;
  /** The algorithm that denoised, with all its settings. */
  readonly sampler: SamplerChoice;
  /** Calls of the denoiser. */
  readonly calls: number;
  readonly model: string;
  readonly modelHash: string;
  /** What the networks were computed in. */
  readonly dtype: string;
  /** Of a redraw: the photo, and what the strength meant. */
  readonly redraw?: {
    readonly photo: string;
    /** SHA-256 of the photo's file. */
    readonly photoHash: string;
    readonly strength: number;
    /** The timestep that the photo was noised to, higher = noisier; null where no step was taken. */
    readonly timestep: number | null;
    /** Amplitudes of photo and noise there. */
    readonly signal: number;
    readonly noise: number;
    /** What of the photo was kept. */
    readonly kept?: string;
  };
}

/**
 * What an image file says about how it was made; undefined where it says nothing.
 * @throws DiffusionError for a description in a newer format
 */
export async function provenanceOf(source: string | Uint8Array): Promise<Provenance | undefined> {
  const text = await readDescription(source);
  if (!text?.startsWith("{")) return undefined;
  let value: Partial<Provenance>;
  try {
    value = JSON.parse(text) as Partial<Provenance>;
  } catch {
    return undefined; // another program's
  }
  if (value.penumbra === undefined) return undefined;
  if (value.penumbra === 1) return value as Provenance;
  throw new DiffusionError(
    `The image was made by a newer version of this program (provenance ${String(value.penumbra)}). Install that one.`,
  );
}
