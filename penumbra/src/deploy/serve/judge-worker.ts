/** The thread of a served classifier: loads it, and judges what the service hands over. */
import { workerData } from "node:worker_threads";
import { type Tensor, threads } from "@penumbra/torch";
import { loadClassifier, type Verdict } from "../classifier/index.ts";
import type { JudgeTask } from "./judge.ts";

const { folder, device } = workerData as JudgeTask;
const classifier = loadClassifier(folder, { device });

threads.serve((pixels: Tensor, views: readonly number[]): Verdict[] => classifier.judge(pixels, views));
