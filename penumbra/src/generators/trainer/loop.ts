import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { keep, noGrad, scope, stack, type Tensor, zeros } from "@penumbra/torch";
import { restoreCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { duration } from "./progress-lines.ts";
import type { Trainee, TrainMark, TrainResult } from "./trainee.ts";

export interface TrainOptions {
  /** Gets the checkpoint, in a folder of the trainee's name, and `log.jsonl`. */
  readonly folder: string;
  readonly steps: number;
  /** Instead of `steps`: as many as fit into this time at the pace of the first ones; they are counted once. */
  readonly minutes?: number | undefined;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly checkpointMinutes: number;
  readonly inspectMinutes: number;
  readonly logSeconds: number;
  readonly onLine?: (line: string) => void;
  /** Told with every log, in steps. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Stops after the current step with a checkpoint. */
  readonly signal?: AbortSignal;
}

/**
 * Learning rate at a point of the stage: linear warm-up, then half a cosine down to 2 % of the peak.
 *
 * @param progress share of the stage that is done, 0..1
 */
export function learningRateAt(
  options: { learningRate: number; warmup: number },
  step: number,
  progress: number,
): number {
  const rise = Math.min(1, (step + 1) / Math.max(1, options.warmup));
  return options.learningRate * rise * (0.02 + 0.98 * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress))));
}

/** Stretches of steps that are timed where a training is given minutes; the quickest tells the pace. */
const STRETCHES = 4;
/** Steps of a stretch at least: what is done in every fourth step alone is in each. */
const LEAST_TIMED = 8;

/**
 * How many steps fit into so many seconds. Other work on the machine is not to count: the quickest stretch tells the
 * pace, and on the processor what the process waited for its turn is left out. Changes the trainee.
 */
function stepsWithin(seconds: number, trainee: Trainee, options: TrainOptions): number {
  const stretch = Math.min(3, seconds / 40);
  let step = 0;
  let pace = 0;
  for (let turn = 0; turn < STRETCHES; turn++) {
    const began = performance.now();
    const cpuBegan = process.cpuUsage();
    const elapsed = () => {
      const { user, system } = process.cpuUsage(cpuBegan);
      const seconds = (performance.now() - began) / 1000;
      return trainee.device === "cpu" ? Math.min(seconds, (user + system) / 1e6) : seconds;
    };
    const first = step;
    let loss: Tensor | undefined;
    while (step - first < LEAST_TIMED || elapsed() < stretch) {
      loss?.dispose();
      loss = scope(() => trainee.step(step, learningRateAt(options, step, 0), 0)[0]);
      step++;
    }
    loss?.item(); // waits for the device
    loss?.dispose();
    pace = Math.max(pace, (step - first) / elapsed());
  }
  return Math.max(1, Math.round(pace * seconds));
}

/**
 * Trains for a number of steps, or as many as fit into a number of minutes; writes a checkpoint and lines of
 * `log.jsonl` into the folder, and goes on from the checkpoint when there is one. A resumed run gives the same bits as
 * an uninterrupted one on the same machine and thread count: the steps of a time are counted once, before the first,
 * and kept.
 *
 * @throws Error when a loss is no longer finite (with the step and the remedy), or the checkpoint comes from other settings
 */
export async function train(trainee: Trainee, options: TrainOptions): Promise<TrainResult> {
  await mkdir(options.folder, { recursive: true });
  const run = new Run(trainee, options);
  try {
    while (run.progress < 1 && !options.signal?.aborted) {
      run.takeStep();
      if (run.isDue("log", options.logSeconds)) await run.log();
      if (run.isDue("inspection", options.inspectMinutes * 60)) await run.inspect();
      if (run.isDue("checkpoint", options.checkpointMinutes * 60)) await run.checkpoint();
    }
    if (run.progress < 1) run.save();
    return run.result;
  } finally {
    run.dispose();
  }
}

type Habit = "log" | "inspection" | "checkpoint";

class Run {
  readonly #trainee: Trainee;
  readonly #options: TrainOptions;
  readonly #checkpoint: string;
  readonly #steps: number;
  #step: number;
  #seconds: number;
  #figures: Readonly<Record<string, number>>;
  /** Of the last step. */
  #learningRate = 0;
  /** Sums of the losses since the last log, on the device. */
  readonly #sums: Tensor;
  #logged: { readonly step: number; readonly seconds: number };
  readonly #last: Record<Habit, number>;

  constructor(trainee: Trainee, options: TrainOptions) {
    this.#trainee = trainee;
    this.#options = options;
    this.#checkpoint = join(options.folder, trainee.name);
    const mark = restoreCheckpoint(this.#checkpoint, trainee);
    const { step, seconds, figures } = mark;
    this.#step = step;
    this.#seconds = seconds;
    this.#figures = figures;
    this.#steps =
      options.minutes === undefined ? options.steps : (mark.steps ?? this.#count(options.minutes));
    this.#sums = keep(zeros([trainee.lossNames.length], { device: trainee.device }));
    this.#logged = { step, seconds };
    this.#last = { log: seconds, inspection: seconds, checkpoint: seconds };
    if (step > 0 && this.progress < 1) this.#tell(`resumed at step ${step}`);
  }

  /** Share of the steps that are taken. */
  get progress(): number {
    return this.#step / this.#steps;
  }

  /** Counts the steps of a time from where the trainee stands, and leaves it there with a checkpoint that says so. */
  #count(minutes: number): number {
    const mark: TrainMark = { step: this.#step, seconds: this.#seconds, figures: this.#figures };
    writeCheckpoint(this.#checkpoint, this.#trainee, mark);
    const steps = stepsWithin(minutes * 60, this.#trainee, this.#options);
    restoreCheckpoint(this.#checkpoint, this.#trainee);
    writeCheckpoint(this.#checkpoint, this.#trainee, { ...mark, steps });
    this.#tell(`${steps} steps fit into ${duration(minutes * 60)}`);
    return steps;
  }

  get result(): TrainResult {
    return { ...this.#mark, complete: this.progress >= 1 };
  }

  get #mark(): TrainMark {
    return { step: this.#step, seconds: this.#seconds, figures: this.#figures, steps: this.#steps };
  }

  /** Whether so many seconds of training have passed since it was last done; at the end everything is due. */
  isDue(habit: Habit, seconds: number): boolean {
    return this.#seconds - this.#last[habit] >= seconds || this.progress >= 1;
  }

  takeStep(): void {
    const began = performance.now();
    this.#learningRate = learningRateAt(this.#options, this.#step, this.progress);
    const { progress } = this;
    scope(() => {
      const losses = stack(
        this.#trainee.step(this.#step, this.#learningRate, progress).map((loss) => loss.to("float32")),
      );
      noGrad(() => this.#sums.add_(losses));
      // On the processor reading is free, so that the very step is known; a device is not waited for.
      if (this.#trainee.device === "cpu") this.#checkFinite(losses.toNumbers());
    });
    this.#step++;
    this.#seconds += (performance.now() - began) / 1000;
  }

  /** Means of the losses since the last log, and the rate: into the log and to `onLine`. */
  async log(): Promise<void> {
    const waited = performance.now();
    const steps = this.#step - this.#logged.step;
    const losses = scope(() => this.#sums.div(steps).toNumbers()); // waits for the device
    this.#sums.zero_();
    this.#seconds += (performance.now() - waited) / 1000;
    const rate = (steps * this.#options.batchSize) / (this.#seconds - this.#logged.seconds);
    this.#logged = { step: this.#step, seconds: this.#seconds };
    this.#last.log = this.#seconds;
    const named = Object.fromEntries(
      this.#trainee.lossNames.map((name, i) => [name, Number(losses[i]!.toPrecision(5))]),
    );
    this.#checkFinite(losses);
    await this.#append({
      ...named,
      rate: Number(rate.toPrecision(4)),
      learningRate: this.#learningRate,
    });
    this.#tell(this.#progressLine(rate, named));
    this.#options.onProgress?.(this.#step, this.#steps);
    await new Promise((resolve) => setImmediate(resolve)); // lets signals in
  }

  async inspect(): Promise<void> {
    this.#last.inspection = this.#seconds;
    this.#figures = (await this.#trainee.inspect?.(this.#step)) ?? {};
    const entries = Object.entries(this.#figures);
    if (entries.length === 0) return;
    await this.#append(this.#figures);
    this.#tell(entries.map(([name, value]) => `${name} ${value.toPrecision(4)}`).join(", "));
  }

  async checkpoint(): Promise<void> {
    this.#last.checkpoint = this.#seconds;
    this.save();
    await this.#trainee.saved?.(this.result);
  }

  save(): void {
    this.#checkFinite(scope(() => this.#sums.toNumbers())); // what has diverged must not replace what has not
    writeCheckpoint(this.#checkpoint, this.#trainee, this.#mark);
  }

  dispose(): void {
    this.#sums.dispose();
  }

  #checkFinite(losses: readonly number[]): void {
    if (losses.every((loss) => Number.isFinite(loss))) return;
    const { name, lossNames } = this.#trainee;
    const named = lossNames.map((loss, i) => `${loss} ${losses[i]}`).join(", ");
    throw new Error(
      `The ${name} stage diverged at step ${this.#step}: ${named}. Lower its learningRate or use precision fp32, then start again from the last checkpoint in "${this.#options.folder}".`,
    );
  }

  #append(entry: Readonly<Record<string, number>>): Promise<void> {
    const line = {
      stage: this.#trainee.name,
      step: this.#step,
      seconds: Math.round(this.#seconds),
      ...entry,
    };
    return appendFile(join(this.#options.folder, "log.jsonl"), `${JSON.stringify(line)}\n`);
  }

  #tell(text: string): void {
    this.#options.onLine?.(`${this.#trainee.name}: ${text}`);
  }

  #progressLine(rate: number, losses: Readonly<Record<string, number>>): string {
    const { progress } = this;
    const left = (this.#seconds / progress) * (1 - Math.min(1, progress));
    const values = Object.entries(losses).map(([loss, value]) => `${loss} ${value.toPrecision(4)}`);
    return `step ${this.#step} (${(100 * progress).toFixed(1)} % of ${this.#steps} steps), ${rate.toFixed(0)} images/s, ETA ${duration(left)}, ${values.join(", ")}`;
  }
}
