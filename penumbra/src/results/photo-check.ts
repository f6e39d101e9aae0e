/** What `penumbra check` found in a set of photos, as plain data: its lines, its JSON and its page are made of it. */
export interface PhotoCheck {
  /** Folder, list or configuration that was checked. */
  readonly place: string;
  readonly classes: readonly {
    readonly className: string;
    readonly role: "known" | "near" | "far";
    readonly objects: number;
    readonly photos: number;
    /** Fewest and most photos of one object. */
    readonly views: readonly [fewest: number, most: number];
  }[];
  /** Distinct sizes in pixels, the most frequent first. */
  readonly sizes: readonly { readonly width: number; readonly height: number; readonly photos: number }[];
  /** How the photos were read, where it could be meant otherwise. */
  readonly notes: readonly string[];
  /** Advice on the set as a whole. */
  readonly warnings: readonly string[];
  readonly groups: readonly FindingGroup[];
}

/** All findings of one kind. */
export interface FindingGroup {
  readonly kind: string;
  readonly title: string;
  /** Whether these files are not used. */
  readonly isLeftOut: boolean;
  readonly count: number;
  /** Those that are shown, the first of them. */
  readonly shown: readonly ShownFinding[];
}

export interface ShownFinding {
  readonly file: string;
  /** What is wrong, where, and what to do. */
  readonly message: string;
  /** Data URI; absent where the file shows nothing. */
  readonly image?: string;
  readonly other?: string;
  readonly otherImage?: string;
}
