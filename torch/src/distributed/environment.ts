import { DistributedError } from "./error.ts";

/** This process's place among those that were started together: what torchrun's environment variables say. */
export interface LaunchEnvironment {
  /** RANK: 0 … worldSize - 1, over all machines. */
  readonly rank: number;
  /** WORLD_SIZE: the number of processes. */
  readonly worldSize: number;
  /** LOCAL_RANK: 0 … on this machine; chooses the GPU. `rank` where it is not set. */
  readonly localRank: number;
  /** MASTER_ADDR: the machine of rank 0. */
  readonly masterAddress: string;
  /** MASTER_PORT: the port at which the processes find each other. */
  readonly masterPort: number;
  /** Whether this process serves that port: rank 0 does, unless torchrun's agent does. */
  readonly servesStore: boolean;
}

const LAUNCH =
  "Start the script with `npx @penumbra/torch run --nproc 2 script.js`, or with torchrun, which set it.";

/**
 * Reads RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT.
 * @throws DistributedError naming the first variable that is missing or no whole number in its range
 */
export function launchEnvironment(env: NodeJS.ProcessEnv = process.env): LaunchEnvironment {
  const worldSize = wholeNumber(env, "WORLD_SIZE", 1, 1e6);
  const rank = wholeNumber(env, "RANK", 0, worldSize - 1);
  return {
    rank,
    worldSize,
    localRank: env.LOCAL_RANK === undefined ? rank : wholeNumber(env, "LOCAL_RANK", 0, worldSize - 1),
    masterAddress: given(env, "MASTER_ADDR"),
    masterPort: wholeNumber(env, "MASTER_PORT", 1, 65535),
    servesStore: rank === 0 && env.TORCHELASTIC_USE_AGENT_STORE !== "True",
  };
}

function given(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (value) return value;
  throw new DistributedError(`The environment variable ${name} is not set. ${LAUNCH}`);
}

function wholeNumber(env: NodeJS.ProcessEnv, name: string, least: number, most: number): number {
  const text = given(env, name);
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new DistributedError(
    `The environment variable ${name} is "${text}"; it must be a whole number from ${least} to ${most}. ${LAUNCH}`,
  );
}
