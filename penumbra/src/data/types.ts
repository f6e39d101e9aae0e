/**
 * What a class is to a study: `known` classes are learned; `near` unknowns resemble them, `far` unknowns do not, and
 * neither is ever trained on.
 */
export type Role = "known" | "near" | "far";

export const ROLES: readonly Role[] = ["known", "near", "far"];

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
  /** SHA-256 of the file's bytes, hexadecimal. */
  readonly hash: string;
  /** Pixels, as seen with the EXIF orientation applied. */
  readonly width: number;
  readonly height: number;
}

/** Something about a file or class that a person should know. */
export interface Problem {
  readonly kind:
    | "unreadable"
    | "not-an-image"
    | "outside-a-class"
    | "too-deep"
    | "broken-link"
    | "no-role"
    | "empty-class"
    | "duplicate";
  /** Path from the root of the scan. */
  readonly file: string;
  /** What is wrong, where, and what to do. */
  readonly message: string;
  /** Whether the scan left the file out; if not, it is only a warning. */
  readonly isLeftOut: boolean;
}

/** What a folder of photos holds. */
export interface Manifest {
  readonly root: string;
  /** In natural order of `id`. */
  readonly photos: readonly Photo[];
  /** The known classes in natural order: a class's label is its place here. */
  readonly classes: readonly string[];
  readonly problems: readonly Problem[];
}
