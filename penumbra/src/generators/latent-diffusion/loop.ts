import { appendFile, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { keep, noGrad, type optim, safetensors, scope, stack, type Tensor, zeros } from "@penumbra/torch";

/** One thing to be trained; `train` drives it. */
export interface Trainee {
  readonly name: string;
  readonly device: string;
  /** Names of the losses that `step` returns, in its order. */
  readonly lossNames: readonly string[];
  /**
   * One optimiser step. It must draw its randomness from `step` alone, so that a resumed run repeats it.
   * @returns detached scalars on the device; they are not read here, so the device need not be waited for
   */
  step(step: number, learningRate: number): Tensor[];
  /** The weights (and averages of them) that the next step depends on, by name. Live tensors. */
  weights(): Record<string, Tensor>;
  readonly optimizer: optim.AdamW;
  /** Writes pictures or figures that show how far it is. */
  inspect?(step: number): Promise<Record<string, number>>;
  /** Called after each checkpoint, for example to write a snapshot of the whole model. */
  saved?(result: TrainResult): Promise<void>;
}

export interface TrainOptions {
  readonly folder: string;
  readonly steps: number;
  readonly minutes?: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly checkpointMinutes: number;
  readonly inspectMinutes: number;
  readonly logSeconds: number;
  readonly onLine?: (line: string) => void;
  /** Stops after the current step with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** What a stage came to. */
export interface TrainResult {
  readonly step: number;
  /** Time spent in training steps over all runs. */
  readonly seconds: number;
  /** False when the signal ended it early. */
  readonly complete: boolean;
  /** Figures of the last inspection. */
  readonly figures: Record<string, number>;
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

/**
 * Trains for a number of steps or minutes, whichever ends first; writes `<name>.safetensors` (checkpoint) and
 * lines of `log.jsonl` into the folder, and resumes from the checkpoint when there is one. Without `minutes`
 * a resumed run gives the same bits as an uninterrupted one on the same machine and thread count.
 */
export async function train(trainee: Trainee, options: TrainOptions): Promise<TrainResult> {
  const { folder, steps, minutes = Infinity, batchSize, onLine = () => {} } = options;
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${trainee.name}.safetensors`);
  const start = await restore(trainee, path);
  let { step, seconds } = start;
  const budget = minutes * 60;
  const progress = () => Math.max(step / steps, seconds / budget);
  const log = (entry: Record<string, unknown>) =>
    appendFile(
      join(folder, "log.jsonl"),
      `${JSON.stringify({ stage: trainee.name, step, seconds: Math.round(seconds), ...entry })}\n`,
    );

  const sums = keep(zeros([trainee.lossNames.length], { device: trainee.device }));
  let sinceLog = { step, seconds };
  let sinceCheckpoint = seconds;
  let sinceInspection = seconds;
  let figures: Record<string, number> = start.figures;
  if (step > 0 && progress() < 1) onLine(`${trainee.name}: resumed at step ${step}`);

  while (progress() < 1 && !options.signal?.aborted) {
    const began = performance.now();
    const learningRate = learningRateAt(options, step, progress());
    scope(() => {
      const losses = trainee.step(step, learningRate);
      noGrad(() => sums.add_(stack(losses.map((loss) => loss.to("float32")))));
    });
    step++;
    seconds += (performance.now() - began) / 1000;

    if (seconds - sinceLog.seconds >= options.logSeconds || progress() >= 1) {
      const waited = performance.now();
      const losses = scope(() => sums.div(step - sinceLog.step).toNumbers()); // waits for the device
      sums.zero_();
      seconds += (performance.now() - waited) / 1000;
      const rate = ((step - sinceLog.step) * batchSize) / (seconds - sinceLog.seconds);
      sinceLog = { step, seconds };
      const named = Object.fromEntries(
        trainee.lossNames.map((name, i) => [name, Number(losses[i]!.toPrecision(5))]),
      );
      if (losses.some((loss) => !Number.isFinite(loss))) {
        throw new Error(
          `The ${trainee.name} stage diverged at step ${step}: ${JSON.stringify(named)}. Lower its learningRate or use precision fp32, then start again from the last checkpoint in "${folder}".`,
        );
      }
      await log({ ...named, rate: Number(rate.toPrecision(4)), learningRate });
      onLine(progressLine(trainee.name, step, steps, progress(), seconds, rate, named));
      await new Promise((resolve) => setImmediate(resolve)); // lets signals in
    }
    if (seconds - sinceInspection >= options.inspectMinutes * 60 || progress() >= 1) {
      sinceInspection = seconds;
      figures = (await trainee.inspect?.(step)) ?? {};
      if (Object.keys(figures).length > 0) {
        await log(figures);
        onLine(
          `${trainee.name}: ${Object.entries(figures)
            .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
            .join(", ")}`,
        );
      }
    }
    if (seconds - sinceCheckpoint >= options.checkpointMinutes * 60 || progress() >= 1) {
      sinceCheckpoint = seconds;
      save(trainee, path, { step, seconds, figures });
      await trainee.saved?.({ step, seconds, figures, complete: progress() >= 1 });
    }
  }
  const complete = progress() >= 1;
  if (!complete) save(trainee, path, { step, seconds, figures });
  sums.dispose();
  return { step, seconds, complete, figures };
}

function progressLine(
  name: string,
  step: number,
  steps: number,
  progress: number,
  seconds: number,
  rate: number,
  losses: Record<string, number>,
): string {
  const left = progress > 0 ? (seconds / progress) * (1 - progress) : 0;
  const values = Object.entries(losses).map(([loss, value]) => `${loss} ${value.toPrecision(4)}`);
  return `${name}: step ${step} (${(100 * progress).toFixed(1)} % of ${steps} steps or the time), ${rate.toFixed(0)} images/s, ETA ${duration(left)}, ${values.join(", ")}`;
}

function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

interface Mark {
  readonly step: number;
  readonly seconds: number;
  readonly figures: Record<string, number>;
}

const OPTIMIZER = "optimizer.";

function save(trainee: Trainee, path: string, mark: Mark): void {
  const { tensors } = trainee.optimizer.stateDict();
  safetensors.write(
    path,
    { ...trainee.weights(), ...named(OPTIMIZER, tensors) },
    { progress: JSON.stringify(mark) },
  );
}

async function restore(trainee: Trainee, path: string): Promise<Mark> {
  if (!(await stat(path).catch(() => null))) return { step: 0, seconds: 0, figures: {} };
  return scope(() => {
    const { tensors, metadata } = safetensors.read(path);
    for (const [name, tensor] of Object.entries(trainee.weights())) {
      const stored = tensors[name];
      if (!stored || String(stored.shape) !== String(tensor.shape)) {
        throw new Error(
          `The checkpoint "${path}" does not fit: "${name}" is ${stored ? `[${stored.shape}]` : "missing"} there, [${tensor.shape}] here. It comes from other settings: use the same ones, or another work folder.`,
        );
      }
      noGrad(() => tensor.copy_(stored));
    }
    const moments = Object.entries(tensors).filter(([name]) => name.startsWith(OPTIMIZER));
    trainee.optimizer.loadStateDict({
      ...trainee.optimizer.stateDict(),
      tensors: Object.fromEntries(moments.map(([name, tensor]) => [name.slice(OPTIMIZER.length), tensor])),
    });
    return JSON.parse(metadata.progress!) as Mark;
  });
}

/** The same tensors with a prefix before their names. */
export function named(prefix: string, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]));
}
