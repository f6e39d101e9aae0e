// Every measure of the benchmark, in the order in which they run.
import type { Measure } from "../measure.ts";
import { operators } from "./operators.ts";
import { resnet18, resnet18InBf16 } from "./resnet18.ts";
import { smallNetwork } from "./small-network.ts";
import { transformer } from "./transformer.ts";

export const MEASURES: readonly Measure[] = [operators, smallNetwork, resnet18, resnet18InBf16, transformer];
