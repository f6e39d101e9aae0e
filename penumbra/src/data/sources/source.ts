import type { GivenSplit, Problem, Role } from "../types.ts";

/** A file that looks like a photo by its name and place; nobody has opened it yet. */
export interface Candidate {
  /** Path from the root with "/" between folders. */
  readonly id: string;
  readonly className: string;
  /** Unique within the class: the object's folder, or the photo's own name where photos lie in the class folder. */
  readonly objectName: string;
  readonly view: string;
  /** By the top folder, or the list. */
  readonly role?: Role;
  readonly split?: GivenSplit;
}

export interface ClassFolder {
  /** From the root. */
  readonly path: string;
  readonly className: string;
  readonly role?: Role;
  readonly split?: GivenSplit;
}

/** What a folder, a list or an archive of photos names. */
export interface Source {
  /** Folder that ids are relative to. */
  readonly root: string;
  readonly candidates: readonly Candidate[];
  /** Also of empty ones. */
  readonly classFolders: readonly ClassFolder[];
  readonly problems: readonly Problem[];
  /** How it was read, in words, where it could be meant otherwise. */
  readonly notes: readonly string[];
}

/**
 * How top folders are read: `classes` (class/…), `roles` (known/class/…, near/class/…, far/class/…), `splits`
 * (train/class/…, val/class/…, test/class/…), or `auto`: by their names.
 */
export const LAYOUTS = ["auto", "classes", "roles", "splits"] as const;
export type Layout = (typeof LAYOUTS)[number];

/**
 * Which photos show one physical object: `auto` (those of a folder below the class folder; a photo in the class folder
 * is an object of its own), a number of folder levels below the class folder, or a regular expression on the path below
 * the class folder, without the ending, whose first group names the object.
 */
export type ObjectRule = "auto" | number | RegExp;

const SPLIT_FOLDERS: Readonly<Record<string, GivenSplit>> = {
  train: "train",
  training: "train",
  val: "validation",
  valid: "validation",
  validation: "validation",
  test: "test",
  testing: "test",
};

/** What a name such as "Valid" means, in any case; undefined for other names. */
export function splitNamed(name: string): GivenSplit | undefined {
  const key = name.toLowerCase();
  return Object.hasOwn(SPLIT_FOLDERS, key) ? SPLIT_FOLDERS[key] : undefined;
}

const ROLE_FOLDERS: Readonly<Record<string, Role>> = {
  known: "known",
  id: "known",
  near: "near",
  far: "far",
};

/** What a name such as "Near" means, in any case; undefined for other names. */
export function roleNamed(name: string): Role | undefined {
  const key = name.toLowerCase();
  return Object.hasOwn(ROLE_FOLDERS, key) ? ROLE_FOLDERS[key] : undefined;
}
