import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { DataError } from "../errors.ts";
import { compareNatural } from "../natural.ts";
import type { GivenSplit, Problem, ProblemKind, Role } from "../types.ts";
import { isClutter, isImageName, isRawName } from "./file-names.ts";
import { matcher } from "./glob.ts";
import { objectNameOf } from "./object-name.ts";
import {
  type Candidate,
  type ClassFolder,
  type Layout,
  type ObjectRule,
  roleNamed,
  type Source,
  splitNamed,
} from "./source.ts";

interface Entry {
  readonly name: string;
  /** From the root, with "/". */
  readonly path: string;
  readonly isFolder: boolean;
}

/** Where a class folder stands. */
interface Place {
  readonly role?: Role;
  readonly split?: GivenSplit;
}

export interface FolderOptions {
  readonly ignore?: readonly string[];
  readonly layout?: Layout;
  readonly objects?: ObjectRule;
}

/**
 * Finds what may be photos, in the layouts `class/photo.jpg` and `class/object/view.jpg` (mixed is fine), each
 * optionally below a role folder (`known` or `id`, `near`, `far`) and below a split folder (`train`, `val`, `test`).
 * Links are followed unless they lead in circles; hidden files are passed over; what does not fit, and a folder that
 * may not be read, is reported.
 *
 * @throws DataError when the root is no folder that can be read, or has not the folders that `layout` asks for
 */
export async function scanFolders(root: string, options: FolderOptions = {}): Promise<Source> {
  const scan = new FolderScan(root, options);
  await scan.scanRoot();
  return scan;
}

class FolderScan implements Source {
  readonly candidates: Candidate[] = [];
  readonly classFolders: ClassFolder[] = [];
  readonly problems: Problem[] = [];
  readonly notes: string[] = [];
  readonly root: string;
  readonly #ignore: readonly ((path: string) => boolean)[];
  readonly #layout: Layout;
  readonly #objects: ObjectRule;

  constructor(root: string, { ignore = [], layout = "auto", objects = "auto" }: FolderOptions) {
    this.root = root;
    this.#ignore = ignore.map(matcher);
    this.#layout = layout;
    this.#objects = objects;
  }

  async scanRoot(): Promise<void> {
    const entries = await this.list("");
    const folders = entries.filter(({ isFolder }) => isFolder);
    if (this.#layout === "splits" || (this.#layout === "auto" && (await this.areSplits(folders)))) {
      await this.scanSplits(entries);
    } else await this.scanClassesOrRoles(entries, {});
  }

  /** `train` and at least one more, nothing else beside them, and classes in them. */
  private async areSplits(folders: readonly Entry[]): Promise<boolean> {
    const splits = folders.map(({ name }) => splitNamed(name));
    if (folders.length < 2 || !splits.includes("train") || splits.includes(undefined)) return false;
    const inside = await Promise.all(folders.map(({ path }) => this.list(path, true)));
    return inside.every((children) => children.some(({ isFolder }) => isFolder));
  }

  private async scanSplits(entries: readonly Entry[]): Promise<void> {
    const folders = entries.filter(({ isFolder, name }) => isFolder && splitNamed(name));
    if (folders.length === 0) {
      throw new DataError(
        `The setting "layout" is splits, but "${this.root}" holds no folder called train, val or test. Set layout to auto.`,
      );
    }
    for (const entry of entries) {
      const split = entry.isFolder ? splitNamed(entry.name) : undefined;
      if (split) await this.scanClassesOrRoles(await this.list(entry.path), { split });
      else if (entry.isFolder) {
        this.report("no-role", entry.path, "lies beside train, val and test. Move it into one of them.");
      } else this.reportOutside(entry);
    }
    this.notes.push(
      `The folders ${listed(folders)} are read as a division that was made already: photos are learned from, chosen by and tested on as they lie. Set split.given to merge to draw anew, or layout to classes if these are classes.`,
    );
  }

  private async scanClassesOrRoles(entries: readonly Entry[], place: Place): Promise<void> {
    const roles = this.#layout === "classes" ? new Map<Entry, Role>() : await this.roleFolders(entries);
    const hasKnownFolder = [...roles.values()].includes("known");
    for (const entry of entries) {
      const role = roles.get(entry);
      if (role) await this.scanRole(entry, { ...place, role });
      else if (!entry.isFolder) this.reportOutside(entry);
      else if (hasKnownFolder) {
        this.report(
          "no-role",
          entry.path,
          "lies beside the folders known, near and far. Move it into one of them.",
        );
      } else await this.scanClass(entry, place);
    }
  }

  /** Folders called known, near or far that hold folders of their own, unless they are classes by that name. */
  private async roleFolders(entries: readonly Entry[]): Promise<Map<Entry, Role>> {
    const named = new Map<Entry, Role>();
    for (const entry of entries) {
      const role = entry.isFolder ? roleNamed(entry.name) : undefined;
      if (role && (await this.hasFolders(entry))) named.set(entry, role);
    }
    if (named.size === 0 || this.#layout === "roles" || [...named.values()].includes("known")) return named;
    const others = entries.filter((entry) => entry.isFolder && !named.has(entry));
    for (const entry of [...named.keys()]) {
      const isClass = await this.looksLikeClass(entry, others);
      if (isClass) named.delete(entry);
      this.notes.push(
        isClass
          ? `"${entry.path}" is read as a class, because its folders hold photos as the objects of the other classes do. If it holds unknown classes, set layout to roles.`
          : `"${entry.path}" is read as the folder of ${roleNamed(entry.name)} unknowns. If it is a class of that name, set layout to classes.`,
      );
    }
    return named;
  }

  /** Whether near/x/1.jpg stands beside class/object/1.jpg: then x is an object. */
  private async looksLikeClass(folder: Entry, others: readonly Entry[]): Promise<boolean> {
    const depths = await Promise.all(others.map((entry) => this.hasFolders(entry)));
    const inside = (await this.list(folder.path, true)).filter(({ isFolder }) => isFolder);
    const isDeeper = (await Promise.all(inside.map((entry) => this.hasFolders(entry)))).includes(true);
    return others.length > 0 && depths.every(Boolean) && !isDeeper;
  }

  private async hasFolders({ path }: Entry): Promise<boolean> {
    return (await this.list(path, true)).some(({ isFolder }) => isFolder);
  }

  private async scanRole(folder: Entry, place: Place): Promise<void> {
    for (const entry of await this.list(folder.path)) {
      if (entry.isFolder) await this.scanClass(entry, place);
      else this.reportOutside(entry);
    }
  }

  private async scanClass(folder: Entry, place: Place): Promise<void> {
    this.classFolders.push({ path: folder.path, className: folder.name, ...place });
    await this.scanBelow(folder, [], { className: folder.name, ...place });
  }

  private async scanBelow(
    folder: Entry,
    inside: readonly string[],
    place: Place & Pick<Candidate, "className">,
  ): Promise<void> {
    for (const entry of await this.list(folder.path)) {
      if (!entry.isFolder) this.addFile(entry, inside, place);
      else if (this.#objects === "auto" && inside.length === 1) {
        this.report(
          "too-deep",
          entry.path,
          "is a folder inside an object's folder. Move its photos up (class/object/view.jpg), or set objects to the number of folders below a class that name an object.",
        );
      } else await this.scanBelow(entry, [...inside, entry.name], place);
    }
  }

  private addFile(
    entry: Entry,
    inside: readonly string[],
    place: Place & Pick<Candidate, "className">,
  ): void {
    if (isImageName(entry.name)) {
      const view = entry.name.slice(0, entry.name.length - extname(entry.name).length);
      // Files of one name in two splits are two photos; a folder of one name is one object.
      const ownName = [...(place.split ? [place.split] : []), ...inside, entry.name].join("/");
      const objectName = objectNameOf(this.#objects, inside, view, ownName) ?? ownName;
      this.candidates.push({ id: entry.path, view, objectName, ...place });
    } else if (isRawName(entry.name)) {
      this.report(
        "unreadable",
        entry.path,
        "is a camera's raw file. Convert it to PNG, JPEG or WebP with the camera maker's program or darktable.",
      );
    } else {
      this.report(
        "not-an-image",
        entry.path,
        "does not have the name of an image (.jpg, .png, .webp, ...). Remove it, or give it the right ending.",
      );
    }
  }

  /** Other files beside the class folders are notes and licences; photos there were meant to be used. */
  private reportOutside(entry: Entry): void {
    if (isImageName(entry.name)) {
      this.report(
        "outside-a-class",
        entry.path,
        "lies outside any class. Move it into a folder named for its class.",
      );
    }
  }

  private report(kind: ProblemKind, file: string, rest: string): void {
    this.problems.push({ kind, file, message: `"${file}" ${rest}`, isLeftOut: true });
  }

  /** Entries in natural order; hidden and ignored ones are left out, broken and circular links reported. */
  private async list(path: string, isQuiet = false): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (const entry of await this.read(path, isQuiet)) {
      const entryPath = path ? `${path}/${entry.name}` : entry.name;
      if (isClutter(entry.name)) continue;
      if (this.#ignore.some((matches) => matches(entryPath))) continue;
      const kind = await this.kindOf(entry, entryPath);
      if (kind === "broken" || kind === "circular") {
        const why = kind === "broken" ? "leads nowhere" : "leads back to a folder that holds it";
        if (!isQuiet) this.report("broken-link", entryPath, `is a link that ${why}. Repair or remove it.`);
      } else if (kind !== "other")
        entries.push({ name: entry.name, path: entryPath, isFolder: kind === "folder" });
    }
    return entries.sort((a, b) => compareNatural(a.name, b.name));
  }

  /** What a folder holds; below the root, one that cannot be read is reported and passed over. */
  private async read(path: string, isQuiet: boolean): Promise<Dirent[]> {
    try {
      return await readFolder(join(this.root, path));
    } catch (error) {
      if (!path) throw error;
      if (!isQuiet) {
        const code = ((error as DataError).cause as NodeJS.ErrnoException).code;
        this.report("unreadable", path, `is a folder that cannot be read (${code}). Repair or remove it.`);
      }
      return [];
    }
  }

  private async kindOf(
    entry: Dirent,
    path: string,
  ): Promise<"file" | "folder" | "broken" | "circular" | "other"> {
    if (entry.isFile()) return "file";
    if (entry.isDirectory()) return "folder";
    if (!entry.isSymbolicLink()) return "other"; // sockets, devices
    const full = join(this.root, path);
    const target = await stat(full).catch(() => undefined);
    if (!target) return "broken";
    if (target.isFile()) return "file";
    if (!target.isDirectory()) return "other";
    const [real, here] = await Promise.all([realpath(full), realpath(join(full, ".."))]);
    return here === real || here.startsWith(real.endsWith(sep) ? real : real + sep) ? "circular" : "folder";
  }
}

function listed(entries: readonly Entry[]): string {
  return entries.map(({ name }) => name).join(", ");
}

async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const what =
      code === "ENOENT"
        ? "does not exist"
        : code === "ENOTDIR"
          ? "is not a folder"
          : `cannot be read (${code})`;
    throw new DataError(
      `The photo folder "${path}" ${what}. Give a folder that holds class/photo.jpg or class/object/view.jpg, or a list (.csv, .jsonl).`,
      { cause },
    );
  }
}
