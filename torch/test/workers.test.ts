import { Worker } from "node:worker_threads";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { type Trained, train } from "./workers.child.ts";

/** A thread with an addon of its own; its TypeScript goes through tsx, as in any Node process. */
function start(workerData: object): Worker {
  const url = new URL("./workers.child.ts", import.meta.url).href;
  const source = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(url)}); })`;
  return new Worker(source, { eval: true, workerData, execArgv: ["--conditions=source"] });
}

function run(seed: number, steps: number): Promise<Trained> {
  const worker = start({ task: "train", seed, steps });
  return new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`the worker ended with ${code} before its result`)));
    worker.on("message", (message: Trained | "started") => {
      if (message === "started") return;
      worker.removeAllListeners("exit");
      resolve(message);
    });
  });
}

describe("worker threads", () => {
  test("two that train at once, beside the main thread, arrive where each arrives alone", async () => {
    const alone = [train(1, 300), train(2, 300)];
    const together = Promise.all([run(1, 300), run(2, 300)]);
    const here = train(1, 300);
    expect(here.weights).toEqual(alone[0]!.weights);
    (await together).forEach((result, i) => {
      expect(result.loss).toBe(alone[i]!.loss);
      expect(result.weights).toEqual(alone[i]!.weights);
      expect(result.liveTensors).toBeLessThanOrEqual(0);
    });
    expect(alone[0]!.loss).toBeLessThan(0.3);
    expect(alone[0]!.weights).not.toEqual(alone[1]!.weights);
  });

  test("a mode set in one thread does not reach another", async () => {
    const [loss] = await torch.noGrad(() => [run(3, 20)]);
    expect((await loss!).loss).toBe(train(3, 20).loss);
  });

  test("one that is ended in the middle of its training leaves the others whole", async () => {
    const worker = start({ task: "train", seed: 4, steps: 1e9 });
    await new Promise((resolve) => worker.on("message", resolve));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await worker.terminate()).toBe(1);
    expect(train(4, 20).loss).toBe((await run(4, 20)).loss);
  });
});
