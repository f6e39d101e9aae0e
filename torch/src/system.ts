import { native, TorchError } from "./tensor/index.ts";

/** Version of libtorch, for example "2.13.0". */
export const version = (): string => native.information().version;

/** What libtorch was compiled with, its thread settings, and the processor capability that it chose. */
export const information = () => native.information();

/** Number of threads that one operator may use. */
export const getNumThreads = (): number => native.threads();

/** @throws TorchError unless `count` is a whole number in 1 … 1024 */
export function setNumThreads(count: number): void {
  // OpenMP ends the process where the system refuses to make that many.
  if (!Number.isInteger(count) || count < 1 || count > 1024)
    throw new TorchError(`The number of threads is ${count}; it must be a whole number from 1 to 1024.`);
  native.setThreads(count);
}

/** Refuses (or with `warnOnly` reports) operators whose result may differ from run to run. */
export function useDeterministicAlgorithms(enabled: boolean, { warnOnly = false } = {}): void {
  native.setDeterministic(enabled, warnOnly);
}

/** Whether `useDeterministicAlgorithms` is on. */
export const areDeterministicAlgorithmsEnabled = (): boolean => native.deterministic();

/** One operator of libtorch, as its dispatcher describes it. */
export interface OperatorSchema {
  readonly name: string;
  readonly overload: string;
  /** For example "aten::relu(Tensor self) -> Tensor". */
  readonly schema: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly type: string;
    readonly list: boolean;
    readonly broadcast: boolean;
    readonly supported: boolean;
    readonly keywordOnly: boolean;
    readonly optional: boolean;
    readonly default?: string;
  }[];
  readonly returns: readonly string[];
}

/** Every operator that this libtorch has. */
export const schemas = (): OperatorSchema[] => native.schemas() as OperatorSchema[];

/** Calls that are refused because libtorch would end the process: see torch/native/guards.cpp. */
export interface OperatorGuard {
  /** For example "aten::div", with all its overloads. */
  readonly operators: readonly string[];
  /** What would happen. */
  readonly reason: string;
  /** The versions of libtorch in which it was seen. */
  readonly versions: string;
}

/** Every kind of call that is refused before libtorch sees it, because it would end the process there. */
export const guards = (): OperatorGuard[] => native.guards() as OperatorGuard[];
