import { type LoadedConfig, TABLES, withOwnSources } from "./config/index.ts";
import { type Estimate, estimateStudy, expectedSeconds, isHeavy, type Workload } from "./estimate.ts";

/**
 * Threads that a stage computes with where the configuration leaves it open. Two stages side by side on one thread each
 * are at most a tenth faster than one after the other on two (docs/jobs.md); the same number everywhere gives the same
 * bits on every machine with so many cores, whatever else runs beside it.
 */
export const STAGE_THREADS = 2;
/** Studies that are expected to take less start no processes: each loads the engine and takes seconds for it. */
const SHORT_SECONDS = 60;
/** What a job of small networks holds at the most, with something to spare; the demo's peak is 0.9 GiB. */
const JOB_BYTES = 1.5 * 2 ** 30;

/** The machine that a study is run on. */
export interface JobsMachine {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly device: string;
  /** That jobs are spread over. Default: the one. */
  readonly devices?: readonly string[];
}

/** How a study goes to work. */
export interface Work {
  /** Of every stage. */
  readonly threads: number;
  /** Stages side by side. */
  readonly jobs: number;
  /** Undefined on a GPU, of which nothing was measured. */
  readonly estimate: Estimate | undefined;
}

/**
 * Decides with how many threads a stage computes, and how many stages are made side by side: what the configuration
 * says; else the threads by study and machine alone, never by the jobs, and as many jobs as there are cores and memory
 * for, one for what is short, heavy or on a GPU, one for each of several devices, and one for tables of a caller's own.
 *
 * @throws JobsError for several jobs with entries of a caller's own: their functions cannot be sent to a process
 */
export function settleWork(load: Omit<Workload, "threads" | "jobs">, machine: JobsMachine): Work {
  const { config, model } = load;
  const isLarge = isHeavy(config, model) || machine.device !== "cpu";
  const usual = isLarge ? machine.cores : Math.min(STAGE_THREADS, machine.cores);
  const threads = config.threads > 0 ? config.threads : usual;
  const onDevice = { ...load, config: { ...config, device: machine.device } };
  const alone = estimateStudy({ ...onDevice, threads, jobs: 1 });
  const isShort = alone !== undefined && expectedSeconds(alone) < SHORT_SECONDS;
  const onDevices = machine.devices?.length ?? 1;
  const room = isLarge || isShort ? 1 : roomFor(machine, threads);
  const jobs = jobsOf(load, onDevices > 1 ? onDevices : room);
  return { threads, jobs, estimate: estimateStudy({ ...onDevice, threads, jobs }) };
}

/** Jobs that the cores and the memory of a machine are enough for. */
function roomFor({ cores, memoryBytes }: JobsMachine, threads: number): number {
  return Math.max(1, Math.min(Math.floor(cores / threads), Math.floor(memoryBytes / JOB_BYTES)));
}

function jobsOf({ config, tables }: Pick<LoadedConfig, "config" | "tables">, usual: number): number {
  // Sources that the configuration describes are made of it again.
  const described = withOwnSources(config, TABLES).tables.sources;
  const own = (["objectives", "detectors", "sources"] as const).find((name) => {
    const usual: Readonly<Record<string, unknown>> = TABLES[name];
    const isAgain = (key: string) => name === "sources" && !(key in usual) && key in described;
    return Object.entries(tables[name]).some(([key, entry]) => usual[key] !== entry && !isAgain(key));
  });
  const { jobs } = config;
  if (own === undefined) return jobs === "auto" ? usual : jobs;
  if (jobs === "auto" || jobs === 1) return 1;
  throw new JobsError(
    `jobs is ${jobs}, and the study has ${own} of its own, whose functions no other process can be sent. Set jobs to 1.`,
  );
}

/** Thrown for jobs that a study cannot have. */
export class JobsError extends Error {
  override readonly name = "JobsError";
}
