import type { Levels, Look, White } from "../images/index.ts";

/**
 * What a class is to a study: `known` classes are learned; `near` unknowns resemble them, `far` unknowns do not, and
 * neither is ever trained on.
 */
export type Role = "known" | "near" | "far";

export const ROLES: readonly Role[] = ["known", "near", "far"];

/** The part of a division that somebody made already, by folders (`train/`, `val/`, `test/`) or by a list. */
export type GivenSplit = "train" | "validation" | "test";

/** One readable image file. */
export interface Photo {
  /** Path from the root of the scan with "/" between folders: stable across machines. */
  readonly id: string;
  readonly className: string;
  /** `class/object`: the physical object that is seen. Photos of one object never part ways in a split. */
  readonly object: string;
  /** Name of the file without its extension. */
  readonly view: string;
  readonly role: Role;
  /** Where the photo's folder or list puts it, if it does. */
  readonly split?: GivenSplit;
  /** SHA-256 of the file's bytes, hexadecimal. */
  readonly hash: string;
  /** Pixels, as seen with the EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
  /** Of files of 16 bits and of floats. */
  readonly levels?: Levels;
  readonly look: Look;
}

/** Something about a file or class that a person should know. */
export interface Problem {
  readonly kind: ProblemKind;
  /** Path from the root of the scan. */
  readonly file: string;
  /** What is wrong, where, and what to do. */
  readonly message: string;
  /** Whether the scan left the file out; if not, it is only a warning. */
  readonly isLeftOut: boolean;
  /** The other file of a pair. */
  readonly other?: string;
}

/** Kinds of findings, and what people call them. */
export const PROBLEM_TITLES = {
  unreadable: "Cannot be read",
  "not-an-image": "Not an image",
  "outside-a-class": "Outside any class",
  "too-deep": "Too deep",
  "broken-link": "Broken links",
  "no-role": "Without a role",
  "empty-class": "Empty classes",
  duplicate: "The same picture twice",
  "near-duplicate": "Almost the same picture",
  "twin-class": "Class names that look the same",
  recording: "Frames of one recording",
  leak: "Leaks between given splits",
  label: "Labels that may be wrong",
  repaired: "Read though damaged",
  blank: "Shows nothing",
  dark: "Very dark",
  blurred: "Blurred",
  tiny: "Very small",
  "odd-shape": "Unusual proportions",
  "missing-view": "Views missing",
} as const;
export type ProblemKind = keyof typeof PROBLEM_TITLES;

/** What a folder of photos holds. */
export interface Manifest {
  readonly root: string;
  /** In natural order of `id`. */
  readonly photos: readonly Photo[];
  /** The known classes in natural order: a class's label is its place here. */
  readonly classes: readonly string[];
  readonly problems: readonly Problem[];
  /** What is white in photos of 16 bits and of floats, decided for all of them. */
  readonly white: White;
  /** How the folder was read and the depth decided, in words; what a person should confirm. */
  readonly notes: readonly string[];
}
