// Two worker threads fill the halves of one tensor: nothing is copied, and the event loop stays free.
import { once } from "node:events";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { memory, scope, type Tensor, threads, zeros } from "@penumbra/torch";

interface Task {
  readonly half: Tensor;
  readonly value: number;
}

if (isMainThread) await main();
else parentPort?.once("message", work);

/** In a worker: what it writes, the main thread sees, for the memory is one. */
function work(message: threads.Given<Task>): void {
  scope(() => {
    const { half, value } = threads.take<Task>(message);
    half.fill_(value);
  });
  parentPort?.postMessage("done");
}

async function main(): Promise<void> {
  const whole = zeros([1000, 1000]);
  const workers = [1, 2].map(() => new Worker(new URL(import.meta.url)));
  let turns = 0;
  const clock = setInterval(() => {
    turns += 1;
  }, 1);

  await Promise.all(
    workers.map(async (worker, i) => {
      using half = whole.narrow(0, 500 * i, 500); // a view: [500, 1000]
      worker.postMessage(threads.give<Task>({ half, value: i + 1 }));
      await once(worker, "message");
    }),
  );
  clearInterval(clock);
  await Promise.all(workers.map((worker) => worker.terminate()));

  console.log(`sums of the halves: ${whole.reshape([2, -1]).sum([1]).tolist()}`);
  console.log(`tensors underway: ${memory().given}, the event loop turned meanwhile: ${turns > 0}`);
}
