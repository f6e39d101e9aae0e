import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { ASIDE_ENDING, hashOf, type Json, writeFileAtomic } from "../../files/index.ts";
import type { StageRecord } from "../../results/index.ts";
import { type Clock, removeClock, startClock } from "./clock.ts";
import { forgetPeak, peakMemory } from "./memory.ts";

/** What a stage is: everything that decides its result, and the function that makes it. */
export interface StageSpec {
  /** Kind of stage, part of the folder's name: "words". */
  readonly name: string;
  /** Raised whenever the stage's code would make another result from the same inputs. */
  readonly version: number;
  /** What tells this stage from its siblings on the progress line: "seed 1". Not part of its identity. */
  readonly label?: string;
  /** Artifacts of earlier stages, or content hashes of what lies outside (photos, model weights). */
  readonly inputs: Readonly<Record<string, Artifact | string>>;
  readonly config: Json;
  readonly seed?: number;
  /** Writes the stage's files into `work.folder` and returns notes for the manifest. */
  readonly run: (work: StageWork) => Promise<Json>;
}

/** Where a stage works. Both folders still hold what an interrupted run left in them. */
export interface StageWork {
  /** Becomes the artifact folder when the stage completes. */
  readonly folder: string;
  /** For checkpoints: survives an interruption, removed on completion. */
  readonly scratch: string;
  /** @param loss of a training, of the step that was just taken */
  readonly progress: (done: number, total: number, unit?: string, loss?: number) => void;
}

/** A completed stage: an immutable folder. */
export interface Artifact {
  readonly name: string;
  readonly hash: string;
  readonly folder: string;
  readonly manifest: StageManifest;
  /** True where this run found it complete and made nothing. */
  readonly isReused: boolean;
}

/** `manifest.json` of an artifact folder: what made it, on what, and how long it took. */
export interface StageManifest {
  readonly stage: string;
  readonly label: string;
  readonly version: number;
  readonly hash: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly config: Json;
  readonly seed: number | null;
  readonly notes: Json;
  /** What the caller says about the machine: versions, precision, threads. */
  readonly machine: Json;
  readonly completedAt: string;
  /** Working time over all interruptions. */
  readonly seconds: number;
  /** Processor time of all threads since the last start. */
  readonly cpuSeconds: number;
  /** How often the stage was started before it completed. */
  readonly starts: number;
  /** Largest resident memory of the process since the last start, in bytes; without Linux, of all of its life. */
  readonly peakMemory: number;
  /** Size in bytes of every file, by its path inside the folder: a damaged artifact is noticed and made again. */
  readonly files: Readonly<Record<string, number>>;
}

/** What the runner tells while it works; the command line turns these into lines. */
export type StageEvent = { readonly stage: string; readonly label: string; readonly hash: string } & (
  | { readonly event: "start"; readonly isResumed: boolean }
  | {
      readonly event: "progress";
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      readonly loss?: number;
    }
  /** Something to be told between the lines of progress. */
  | { readonly event: "note"; readonly text: string }
  | { readonly event: "done"; readonly seconds: number }
  | { readonly event: "reused" }
  | { readonly event: "damaged"; readonly reason: string }
);

export interface StageStoreOptions {
  readonly machine?: Json;
  readonly onEvent?: (event: StageEvent) => void;
  /**
   * Waits for the right to make the stage of a hash, where other processes may be making it, and returns what gives it
   * back. Default: nobody else makes any.
   */
  readonly claim?: (hash: string) => Promise<() => void>;
  /** Ends the work where a stage begins or tells of progress, between the steps of a redraw for example, with its reason. */
  readonly signal?: AbortSignal;
}

const unclaimed = async () => () => {};

const MANIFEST_FILE = "manifest.json";
const SCRATCH_NAME = "scratch";

/**
 * Runs stages once: an artifact folder is named by the hash of (name, version, inputs' hashes, configuration, seed),
 * made aside under `work/` and renamed to `artifacts/` when complete. Asking again for the same stage returns the
 * folder; a process killed at any moment leaves either no artifact or a whole one.
 */
export class StageStore {
  readonly #artifacts: string;
  readonly #work: string;
  /** What manifests say about the machine. */
  machine: Json;
  readonly #onEvent: (event: StageEvent) => void;
  readonly #claim: (hash: string) => Promise<() => void>;
  readonly #records: StageRecord[] = [];
  /** Ends the work, with its reason. */
  readonly signal: AbortSignal | undefined;
  /** Hashes of stages that processes of this study made for it, and that nobody asked for yet. */
  readonly #adopted = new Set<string>();
  #peakMemory = 0;

  constructor(
    folder: string,
    { machine = {}, onEvent = () => {}, claim = unclaimed, signal }: StageStoreOptions = {},
  ) {
    this.signal = signal;
    this.#artifacts = join(folder, "artifacts");
    this.#work = join(folder, "work");
    this.machine = machine;
    this.#onEvent = onEvent;
    this.#claim = claim;
  }

  /** Every stage asked for so far, in order, with the time that it took when it was made. */
  get records(): readonly StageRecord[] {
    return this.#records;
  }

  /** Largest resident memory of this process and of those that made the stages found complete, in bytes. */
  get peakMemory(): number {
    return Math.max(this.#peakMemory, peakMemory());
  }

  /**
   * Takes what another process of this study tells of a stage that it makes: events go on to whoever listens, and what
   * is done was made by this run, not found.
   */
  adopt(event: StageEvent): void {
    if (event.event === "done") this.#adopted.add(event.hash);
    this.#onEvent(event);
  }

  /** Counts memory that other processes held at the same time, in bytes. */
  addMemory(bytes: number): void {
    this.#peakMemory = Math.max(this.#peakMemory, peakMemory() + bytes);
  }

  #record({ name, manifest, isReused }: Artifact): void {
    this.#peakMemory = Math.max(this.#peakMemory, manifest.peakMemory);
    const { label, seconds, starts } = manifest;
    this.#records.push({ stage: name, label, seconds, isReused, starts });
  }

  /**
   * Tells of work that leaves no artifact (its result is checked or cached elsewhere), as if it were a stage.
   * Rethrows what `run` throws.
   */
  async observe<T>(
    stage: string,
    run: (progress: StageWork["progress"], note: (text: string) => void) => Promise<T>,
    label = "",
  ): Promise<T> {
    this.signal?.throwIfAborted();
    const title = { stage, label, hash: "" };
    const startedAt = performance.now();
    this.#onEvent({ ...title, event: "start", isResumed: false });
    const result = await run(
      (done, total, unit = "") => this.#tell(title, done, total, unit),
      (text) => this.#onEvent({ ...title, event: "note", text }),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    this.#records.push({ stage, label, seconds, isReused: false, starts: 1 });
    this.#onEvent({ ...title, event: "done", seconds });
    return result;
  }

  /** The artifact of a stage, made now if it does not lie there complete. Rethrows what the stage's `run` throws. */
  async run(spec: StageSpec): Promise<Artifact> {
    this.signal?.throwIfAborted();
    const place = this.#placeOf(spec);
    const artifact = (await this.#reuse(place)) ?? (await this.#claimed(spec, place));
    this.#record(artifact);
    return artifact;
  }

  #tell(title: StagePlace["title"], done: number, total: number, unit: string): void {
    this.#onEvent({ ...title, event: "progress", done, total, unit });
    this.signal?.throwIfAborted();
  }

  /** The artifact of a stage if it lies there complete, told to nobody; a damaged one is removed. */
  async find(spec: StageSpec): Promise<Artifact | undefined> {
    return this.#find(this.#placeOf(spec));
  }

  /** The artifact that lies there complete, made by an earlier run or by another process of this one. */
  async #reuse(place: StagePlace): Promise<Artifact | undefined> {
    const isAdopted = this.#adopted.delete(place.title.hash);
    const artifact = await this.#find(place);
    if (artifact && isAdopted) return { ...artifact, isReused: false };
    if (artifact) this.#onEvent({ ...place.title, event: "reused" });
    return artifact;
  }

  /** Makes a stage, unless somebody else has made it until it was this one's turn. */
  async #claimed(spec: StageSpec, place: StagePlace): Promise<Artifact> {
    const release = await this.#claim(place.title.hash);
    try {
      return (await this.#reuse(place)) ?? (await this.#make(spec, place));
    } finally {
      release();
    }
  }

  #placeOf(spec: StageSpec): StagePlace {
    const hash = stageHash(spec);
    const name = `${spec.name}-${hash.slice(0, 16)}`;
    return {
      folder: join(this.#artifacts, name),
      work: join(this.#work, name),
      title: { stage: spec.name, label: spec.label ?? "", hash },
    };
  }

  /** The artifact that lies there complete; a damaged one is removed. */
  async #find({ folder, title }: StagePlace): Promise<Artifact | undefined> {
    const { manifest, damage } = await readArtifact(folder);
    if (damage) {
      this.#onEvent({ ...title, event: "damaged", reason: damage });
      await rm(folder, { recursive: true, force: true });
    }
    if (!manifest) return undefined;
    return { name: title.stage, hash: title.hash, folder, manifest, isReused: true };
  }

  /** Makes a stage aside, or goes on with it, and moves it to its place when it is whole. */
  async #make(spec: StageSpec, { folder, work, title }: StagePlace): Promise<Artifact> {
    const clock = await prepareWork(work);
    const cpuBefore = process.cpuUsage();
    this.#peakMemory = this.peakMemory;
    forgetPeak();
    this.#onEvent({ ...title, event: "start", isResumed: clock.starts > 1 });
    const notes = await spec.run({
      folder: work,
      scratch: join(work, SCRATCH_NAME),
      progress: (done, total, unit = "", loss = undefined) => {
        clock.tick();
        const told = { ...title, event: "progress", done, total, unit } as const;
        this.#onEvent(loss === undefined ? told : { ...told, loss });
        this.signal?.throwIfAborted();
      },
    });
    await removeTools(work);
    const manifest: StageManifest = {
      ...identityOf(spec, title),
      notes,
      machine: this.machine,
      completedAt: new Date().toISOString(),
      seconds: clock.seconds(),
      cpuSeconds: cpuSeconds(cpuBefore),
      starts: clock.starts,
      peakMemory: peakMemory(),
      files: await fileSizes(work),
    };
    await writeFileAtomic(join(work, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    await mkdir(this.#artifacts, { recursive: true });
    await rename(work, folder);
    this.#onEvent({ ...title, event: "done", seconds: manifest.seconds });
    return { name: spec.name, hash: title.hash, folder, manifest, isReused: false };
  }
}

/** Where a stage becomes an artifact, and what events call it. */
interface StagePlace {
  readonly folder: string;
  readonly work: string;
  readonly title: { readonly stage: string; readonly label: string; readonly hash: string };
}

/** The folder to work in, with what an interrupted run left there, and the clock that goes on from it. */
async function prepareWork(work: string): Promise<Clock> {
  await mkdir(join(work, SCRATCH_NAME), { recursive: true });
  await removeParts(work);
  return startClock(work);
}

/** Checkpoints and clock: no part of the result. */
async function removeTools(work: string): Promise<void> {
  await rm(join(work, SCRATCH_NAME), { recursive: true, force: true });
  await removeClock(work);
}

/** What the manifest says of what the stage is. */
function identityOf(
  spec: StageSpec,
  { label, hash }: StagePlace["title"],
): Pick<StageManifest, "stage" | "label" | "version" | "hash" | "inputs" | "config" | "seed"> {
  const { name, version, config, seed = null } = spec;
  return { stage: name, label, version, hash, inputs: inputHashes(spec), config, seed };
}

function cpuSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

/** The identity of a stage's result. */
export function stageHash(spec: Pick<StageSpec, "name" | "version" | "inputs" | "config" | "seed">): string {
  const { name, version, config, seed = null } = spec;
  return hashOf({ name, version, inputs: inputHashes(spec), config, seed });
}

function inputHashes({ inputs }: Pick<StageSpec, "inputs">): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).map(([key, input]) => [key, typeof input === "string" ? input : input.hash]),
  );
}

async function readArtifact(folder: string): Promise<{ manifest?: StageManifest; damage?: string }> {
  if (!existsSync(folder)) return {};
  let manifest: StageManifest;
  try {
    manifest = JSON.parse(await readFile(join(folder, MANIFEST_FILE), "utf8")) as StageManifest;
  } catch {
    return { damage: "its manifest.json cannot be read" };
  }
  for (const [path, size] of Object.entries(manifest.files)) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (!found) return { damage: `${path} is missing` };
    if (found.size !== size) return { damage: `${path} has ${found.size} bytes instead of ${size}` };
  }
  return { manifest };
}

/** Files cut off in the middle of an atomic write by a kill: never part of a result. */
async function removeParts(folder: string): Promise<void> {
  for (const name of await readdir(folder, { recursive: true })) {
    if (name.endsWith(ASIDE_ENDING)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function fileSizes(folder: string): Promise<Record<string, number>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes: [string, number][] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    sizes.push([path.slice(folder.length + 1).replaceAll("\\", "/"), (await stat(path)).size]);
  }
  return Object.fromEntries(sizes.sort(([a], [b]) => (a < b ? -1 : 1)));
}
