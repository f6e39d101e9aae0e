import { existsSync } from "node:fs";
import { mkdir, statfs } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CachedRepository } from "./cache.ts";
import { HubClient, type Listing, PassingFailure } from "./client.ts";
import { download, toMegabytes } from "./download.ts";
import { HubError } from "./errors.ts";
import { type HubName, isHubName, isPlainPath, parseHubName } from "./name.ts";
import { type HubSettings, hubSettings } from "./settings.ts";

const TRIES = 5;
const WAIT_MS = 1000;

/** A file of a repository, or of a folder in it. */
export interface HubFile {
  /** Relative to what the name stands for. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

export interface HubRequest {
  /**
   * The paths of the files that are needed; all others are left. Not asked where the name is that of a file.
   * @throws what it likes for a repository of another kind
   */
  readonly choose: (files: readonly HubFile[]) => readonly string[];
  /** Told in a sentence what is about to be downloaded and how large it is, and when an older copy is used. */
  readonly onNote?: (text: string) => void;
  readonly onProgress?: (doneMiB: number, totalMiB: number) => void;
}

export interface LocateRequest extends HubRequest {
  /** What paths are relative to. */
  readonly base: string;
  /** Default: those of the environment. */
  readonly settings?: HubSettings;
  /** Tries that bring nothing before a download is given up. Default 5. */
  readonly tries?: number;
  /** Before the second try; doubled before each further one. Default 1000. */
  readonly waitMs?: number;
}

/**
 * Where something lies on the disk that a setting names: a path, or `hf:owner/name` on the Hugging Face hub, which is
 * downloaded into huggingface_hub's cache unless it is there. A revision that is no commit is asked for anew each time,
 * so a moved branch is noticed; without a connection, or with `HF_HUB_OFFLINE=1`, the copy in the cache is used.
 *
 * @returns a path, of which nothing is known where it is not the hub's
 * @throws HubError where the hub refuses or cannot be reached, and for damaged files
 * @example await locate("hf:timm/resnet18.a1_in1k", { base: ".", choose: (files) => files.map(({ path }) => path) });
 */
export async function locate(name: string, request: LocateRequest): Promise<string> {
  if (!isHubName(name)) return resolve(request.base, name);
  const settings = request.settings ?? hubSettings();
  const parsed = parseHubName(name);
  const cached = new CachedRepository(settings.cacheFolder, parsed.repository);
  const client = new HubClient(settings, parsed);
  const listing = settings.isOffline ? undefined : await ask(client, parsed, cached, request);
  return listing
    ? fetchAll(name, parsed, listing, { client, cached, settings, request })
    : inCache(name, parsed, cached, settings, request);
}

/** What the hub says; undefined where it cannot be reached and a copy is there. */
async function ask(
  client: HubClient,
  name: HubName,
  cached: CachedRepository,
  { onNote, tries = TRIES, waitMs = WAIT_MS }: LocateRequest,
): Promise<Listing | undefined> {
  for (let failures = 1; ; failures++) {
    try {
      return await client.list();
    } catch (cause) {
      if (!(cause instanceof PassingFailure)) throw cause;
      if (failures < tries && cause.isBusy) await sleep(waitMs * 2 ** failures);
      else return useCopy(cause, name, cached, onNote);
    }
  }
}

/** @throws HubError where there is none */
async function useCopy(
  cause: PassingFailure,
  name: HubName,
  cached: CachedRepository,
  onNote: LocateRequest["onNote"],
): Promise<undefined> {
  const commit = await cached.commitOf(name);
  if (commit === null || !existsSync(cached.snapshotOf(commit)))
    throw new HubError(
      `${name.repository} cannot be downloaded: ${cause.message}, and there is no copy in the cache. Check the connection and HF_ENDPOINT.`,
      { cause },
    );
  onNote?.(`${cause.message}; the copy of ${commit.slice(0, 12)} in the cache is used`);
  return undefined;
}

async function inCache(
  name: string,
  parsed: HubName,
  cached: CachedRepository,
  settings: HubSettings,
  { choose }: LocateRequest,
): Promise<string> {
  const commit = await cached.commitOf(parsed);
  const files = commit === null ? [] : await cached.filesOf(commit);
  if (commit === null || files.length === 0)
    throw new HubError(
      `${name} is not in the cache (${settings.cacheFolder}), and HF_HUB_OFFLINE forbids to download it. Unset HF_HUB_OFFLINE, or download it once with a connection.`,
    );
  chosenPaths(name, parsed, files, choose);
  return join(cached.snapshotOf(commit), parsed.path ?? "");
}

interface Parts {
  readonly client: HubClient;
  readonly cached: CachedRepository;
  readonly settings: HubSettings;
  readonly request: LocateRequest;
}

async function fetchAll(
  name: string,
  parsed: HubName,
  { commit, files }: Listing,
  { client, cached, settings, request }: Parts,
): Promise<string> {
  const { tries = TRIES, waitMs = WAIT_MS, onNote, onProgress = () => {} } = request;
  const paths = new Set(chosenPaths(name, parsed, files, request.choose));
  const snapshot = cached.snapshotOf(commit);
  const missing = files.filter(({ path }) => paths.has(path) && !existsSync(join(snapshot, path)));
  const wanted = missing.filter(({ etag }) => !existsSync(cached.blobOf(etag)));
  const total = wanted.reduce((sum, { size }) => sum + size, 0);
  if (wanted.length > 0) {
    onNote?.(
      `${name}: ${toMegabytes(total)} MB in ${wanted.length} files to download to ${settings.cacheFolder}`,
    );
    await requireSpace(settings.cacheFolder, total);
  }
  let before = 0;
  for (const file of missing) {
    const blob = cached.blobOf(file.etag);
    if (!existsSync(blob)) {
      const report = (bytes: number) => onProgress(toMebibytes(before + bytes), toMebibytes(total));
      await download(client, file, commit, blob, { tries, waitMs, onProgress: report });
      before += file.size;
    }
    await cached.link(file.etag, commit, file.path);
  }
  await cached.remember(parsed, commit);
  return join(snapshot, parsed.path ?? "");
}

/** The files that are needed, by their paths in the repository. */
function chosenPaths(
  name: string,
  { path }: HubName,
  files: readonly HubFile[],
  choose: HubRequest["choose"],
): string[] {
  if (path !== null && files.some((file) => file.path === path)) return [path];
  const prefix = path === null ? "" : `${path}/`;
  const inside = files
    .filter((file) => file.path.startsWith(prefix) && isPlainPath(file.path))
    .map((file) => ({ path: file.path.slice(prefix.length), size: file.size }));
  if (inside.length > 0) return choose(inside).map((chosen) => prefix + chosen);
  const there = files
    .slice(0, 8)
    .map((file) => file.path)
    .join(", ");
  throw new HubError(
    path === null
      ? `${name} is an empty repository. Name another one.`
      : `${name}: the repository has no "${path}". It has ${there}${files.length > 8 ? ", …" : ""}.`,
  );
}

/** @throws HubError where the disk has no room for so many bytes */
async function requireSpace(folder: string, bytes: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  const free = Number(bavail) * Number(bsize);
  if (free > bytes) return;
  throw new HubError(
    `${toMegabytes(bytes)} MB are to be downloaded, ${folder} has room for ${toMegabytes(free)} MB. Make room, or set HF_HUB_CACHE to a folder on another disk.`,
  );
}

function toMebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
