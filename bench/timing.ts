import type { Measure } from "./measure.ts";
import { WORKLOADS } from "./workloads/index.ts";

interface Timing extends Pick<Measure, "name" | "title" | "goal" | "unavailable"> {
  readonly workload: string;
  readonly unit: "µs" | "ms";
  /** Steps in one sample. */
  readonly steps: number;
  /** The fact by which a step's time is divided, for example the number of operators in it. */
  readonly per?: string;
}

/**
 * Compares the time of a step.
 * @throws Error when the two sides disagree on a fact, such as the number of parameters: not the same computation
 */
export function timed({ workload, steps, per, ...measure }: Timing): Measure {
  const { module, parameters, build } = workloadNamed(workload);
  return {
    ...measure,
    async prepare(peer) {
      const { run, facts } = build();
      const theirs = await peer.prepare(module, parameters);
      for (const [fact, value] of Object.entries(facts)) {
        if (theirs[fact] === value) continue;
        throw new Error(
          `Not the same computation: ${fact} is ${value} here and ${theirs[fact]} in ${module}.py.`,
        );
      }
      const scale = (measure.unit === "µs" ? 1000 : 1) / (per ? (facts[per] ?? Number.NaN) : 1);
      const ours = async (): Promise<number> => scale * (await run(steps));
      const peers = async (): Promise<number> => scale * (await peer.run(steps));
      await ours(); // the JIT compiler and oneDNN warm up
      await peers();
      return { ours, peer: peers };
    },
  };
}

/** @throws Error when no workload has the name */
export function workloadNamed(name: string) {
  const workload = WORKLOADS[name];
  if (!workload) throw new Error(`No workload is called "${name}".`);
  return workload;
}
