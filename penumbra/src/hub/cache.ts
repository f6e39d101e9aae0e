/**
 * The cache's layout, huggingface_hub's own: `models--owner--name/` with `refs/REVISION` (the commit it stood for),
 * `blobs/ETAG` (contents) and `snapshots/COMMIT/PATH` (links to them).
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { writeFileAtomic } from "../files/index.ts";
import type { HubName } from "./name.ts";

const COMMIT = /^[0-9a-f]{40}$/;

/** A repository's part of the cache. */
export class CachedRepository {
  readonly #folder: string;

  constructor(cacheFolder: string, repository: string) {
    this.#folder = join(cacheFolder, ["models", ...repository.split("/")].join("--"));
  }

  /** The commit that a revision stood for when it was last asked for; null where it never was. */
  async commitOf({ revision }: HubName): Promise<string | null> {
    if (COMMIT.test(revision)) return revision;
    const file = this.#refOf(revision);
    return existsSync(file) ? (await readFile(file, "utf8")).trim() : null;
  }

  async remember({ revision }: HubName, commit: string): Promise<void> {
    if (!COMMIT.test(revision)) await writeFileAtomic(this.#refOf(revision), commit);
  }

  snapshotOf(commit: string): string {
    return join(this.#folder, "snapshots", commit);
  }

  /** The files of a snapshot that are there with their contents; empty where it is not there. */
  async filesOf(commit: string): Promise<{ path: string; size: number }[]> {
    const folder = this.snapshotOf(commit);
    if (!existsSync(folder)) return [];
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => existsSync(file)); // a link to nothing is no file
    return Promise.all(
      files.map(async (file) => ({
        path: relative(folder, file).replaceAll(sep, "/"),
        size: (await stat(file)).size,
      })),
    );
  }

  blobOf(etag: string): string {
    return join(this.#folder, "blobs", etag);
  }

  /** Puts a file that is whole into a snapshot; where the system has no links, a copy. */
  async link(etag: string, commit: string, path: string): Promise<void> {
    const target = join(this.snapshotOf(commit), path);
    await mkdir(dirname(target), { recursive: true });
    const aside = `${target}.${process.pid}.partial`;
    await rm(aside, { force: true });
    const blob = this.blobOf(etag);
    await symlink(relative(dirname(target), blob), aside).catch(() => copyFile(blob, aside));
    await rename(aside, target);
  }

  #refOf(revision: string): string {
    return join(this.#folder, "refs", revision);
  }
}
