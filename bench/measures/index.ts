// Every measure of the benchmark, in the order in which they run.
import type { Measure } from "../measure.ts";
import { operators } from "./operators.ts";

export const MEASURES: readonly Measure[] = [operators];
