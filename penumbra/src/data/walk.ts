import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { DataError } from "./errors.ts";
import { matcher } from "./glob.ts";
import { compareNatural } from "./natural.ts";
import type { Problem, Role } from "./types.ts";

/** A file that looks like a photo by its name and place; nobody has opened it yet. */
export interface Candidate {
  readonly id: string;
  readonly className: string;
  /** Unique within the class: the object's folder, or the file's own name where photos lie in the class folder. */
  readonly objectName: string;
  readonly view: string;
  /** By the top folder, where there is one. */
  readonly folderRole?: Role;
}

export interface Walk {
  readonly candidates: readonly Candidate[];
  /** Class folders (also empty ones) as paths from the root. */
  readonly classFolders: readonly { path: string; className: string; folderRole?: Role }[];
  readonly problems: readonly Problem[];
}

const ROLE_FOLDERS: Readonly<Record<string, Role>> = {
  known: "known",
  id: "known",
  near: "near",
  far: "far",
};
const IMAGE_EXTENSIONS = new Set(
  ".jpg .jpeg .jpe .jfif .png .webp .gif .tif .tiff .avif .heic .heif .bmp .jp2 .jxl".split(" "),
);
/** What systems leave behind; like hidden files, not worth a word. */
const CLUTTER = new Set(["__macosx", "thumbs.db", "desktop.ini", "@eadir"]);

interface Entry {
  readonly name: string;
  /** From the root, with "/". */
  readonly path: string;
  readonly isFolder: boolean;
}

/**
 * Finds what may be photos, in the layouts `class/photo.jpg` and `class/object/view.jpg` (mixed is fine), each
 * optionally below a role folder `known` (or `id`), `near`, `far`. Links are followed unless they lead in circles;
 * hidden files are passed over; what does not fit, and a folder that may not be read, is reported.
 */
export async function walkPhotos(root: string, ignore: readonly string[] = []): Promise<Walk> {
  const walker = new Walker(root, ignore.map(matcher));
  await walker.walkRoot();
  return walker;
}

class Walker implements Walk {
  readonly candidates: Candidate[] = [];
  readonly classFolders: { path: string; className: string; folderRole?: Role }[] = [];
  readonly problems: Problem[] = [];

  constructor(
    private readonly root: string,
    private readonly ignore: readonly ((path: string) => boolean)[],
  ) {}

  async walkRoot(): Promise<void> {
    const entries = await this.list("", true);
    const roleFolders = new Map<Entry, Role>();
    for (const entry of entries) {
      const role = ROLE_FOLDERS[entry.name.toLowerCase()];
      if (role && entry.isFolder && (await this.list(entry.path, true)).some((child) => child.isFolder)) {
        roleFolders.set(entry, role);
      }
    }
    const hasKnownFolder = [...roleFolders.values()].includes("known");
    for (const entry of entries) {
      const role = roleFolders.get(entry);
      if (role) await this.walkRole(entry, role);
      else if (!entry.isFolder) this.reportOutside(entry);
      else if (hasKnownFolder) this.reportNoRole(entry);
      else await this.walkClass(entry, undefined);
    }
  }

  private async walkRole(folder: Entry, role: Role): Promise<void> {
    for (const entry of await this.list(folder.path)) {
      if (entry.isFolder) await this.walkClass(entry, role);
      else this.reportOutside(entry);
    }
  }

  private async walkClass(folder: Entry, folderRole: Role | undefined): Promise<void> {
    const className = folder.name;
    this.classFolders.push({ path: folder.path, className, folderRole });
    for (const entry of await this.list(folder.path)) {
      if (entry.isFolder) await this.walkObject(entry, className, folderRole);
      else this.addFile(entry, { className, objectName: entry.name, folderRole });
    }
  }

  private async walkObject(folder: Entry, className: string, folderRole: Role | undefined): Promise<void> {
    for (const entry of await this.list(folder.path)) {
      if (entry.isFolder) {
        this.report(
          "too-deep",
          entry.path,
          "is a folder inside an object's folder. Move its photos up: class/object/view.jpg.",
        );
      } else this.addFile(entry, { className, objectName: folder.name, folderRole });
    }
  }

  private addFile(entry: Entry, place: Pick<Candidate, "className" | "objectName" | "folderRole">): void {
    if (isImageName(entry.name)) {
      this.candidates.push({
        id: entry.path,
        view: entry.name.slice(0, -extname(entry.name).length),
        ...place,
      });
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

  private reportNoRole(entry: Entry): void {
    this.report(
      "no-role",
      entry.path,
      "lies beside the folders known, near and far. Move it into one of them.",
    );
  }

  private report(kind: Problem["kind"], file: string, rest: string): void {
    this.problems.push({ kind, file, message: `"${file}" ${rest}`, isLeftOut: true });
  }

  /** Entries in natural order; hidden and ignored ones are left out, broken and circular links reported. */
  private async list(path: string, isQuiet = false): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (const entry of await this.read(path, isQuiet)) {
      const entryPath = path ? `${path}/${entry.name}` : entry.name;
      if (entry.name.startsWith(".") || CLUTTER.has(entry.name.toLowerCase())) continue;
      if (this.ignore.some((matches) => matches(entryPath))) continue;
      const kind = await this.kindOf(entry, entryPath);
      if (kind === "broken" || kind === "circular") {
        const why = kind === "broken" ? "leads nowhere" : "leads back to a folder that holds it";
        if (!isQuiet || !path)
          this.report("broken-link", entryPath, `is a link that ${why}. Repair or remove it.`);
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

function isImageName(name: string): boolean {
  return IMAGE_EXTENSIONS.has(extname(name).toLowerCase());
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
      `The photo folder "${path}" ${what}. Give a folder that holds class/photo.jpg or class/object/view.jpg.`,
      {
        cause,
      },
    );
  }
}
