import type { z } from "zod";
import type { PhotoArtist } from "./draw/artist.ts";
import type { Drawer } from "./draw/drawer.ts";
import type { CardWords } from "./trainer/card.ts";
import type { CorpusSource } from "./trainer/corpus.ts";

/** What every training of a generator is given. */
export interface TrainingOptions<Settings extends object = object> {
  /** Folder with `captions.jsonl`, see `readCorpus`, or images that the caller has. */
  readonly corpus: string | CorpusSource;
  /** Where the finished model goes. */
  readonly out: string;
  /** Checkpoints, log, sheets and snapshots of unfinished models. Default: `out` + ".work". */
  readonly work?: string;
  /** Folder with CLIP's vocab.json and merges.txt, for generators that read captions. */
  readonly tokenizer: string;
  readonly settings: Settings;
  /** Folder of a finished model of the same sizes: training starts with its weights instead of random ones. */
  readonly from?: string;
  /** What the corpus is and its licence, as Markdown for the model card. */
  readonly dataNote?: string;
  readonly onLine?: (line: string) => void;
  /** In steps, or in seconds of the time that parts of a training share. */
  readonly onProgress?: (done: number, total: number, unit: "steps" | "seconds") => void;
  /** Ends after the current step with a checkpoint; the next call goes on from there. */
  readonly signal?: AbortSignal;
}

/** A kind of network that draws: an entry of the table in index.ts. What it says here is all that the rest knows of it. */
interface GeneratorEntry<Settings extends object> {
  readonly title: string;
  /** One sentence for people. */
  readonly description: string;
  /** How it is trained: names, defaults and bounds. */
  readonly settings: z.ZodType<Settings>;
  /** What the cards of its models begin with. */
  readonly card: CardWords;
  /**
   * Trains a model on captioned images, or goes on where the same call was stopped.
   * @returns the finished model's folder, or null when the signal ended it before
   */
  train(options: TrainingOptions<Settings>): Promise<string | null>;
}

/** How the models of a generator make more of the kind of photos. */
type Drawing<Settings extends object> =
  | {
      /** How a model that was trained on photos draws. */
      readonly artist: PhotoArtist;
      readonly byWords?: undefined;
      /** Seconds that a step of these settings takes on one core, reckoned from one that was measured. */
      stepSeconds(settings: Settings): number;
    }
  | {
      readonly artist: null;
      readonly stepSeconds?: undefined;
      /** How a model draws with words that are learned for the classes of photos. */
      readonly byWords: Drawer;
    };

/** An entry of the table of generators. */
export type ImageGenerator<Settings extends object = object> = GeneratorEntry<Settings> & Drawing<Settings>;
