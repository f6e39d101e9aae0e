/** The thread of a served classifier: loads it, and judges what the service hands over. */
import { workerData } from "node:worker_threads";
import { scope, type Tensor, threads } from "@penumbra/torch";
import { blockAverages, loadClassifier, loadGallery } from "../classifier/index.ts";
import { type JudgeFunction, type JudgeTask, MOST_NEIGHBOURS } from "./judge.ts";

const { folder, ...options } = workerData as JudgeTask;
const classifier = loadClassifier(folder, options);
const gallery = loadGallery(folder);

const judge: JudgeFunction = (pixels: Tensor, views: readonly number[]) =>
  scope(() => {
    const stages = classifier.rowsOf(pixels);
    const verdicts = classifier.judgeRows(stages, views);
    const features = blockAverages(views).matmul(stages.at(-1)!.to("float64"));
    const neighbours = gallery.nearest(features, MOST_NEIGHBOURS);
    return verdicts.map((verdict, object) => ({ ...verdict, neighbours: neighbours[object]! }));
  });

threads.serve(judge);
