/** The workers of pool.test.ts and give.test.ts. */
import { parentPort, workerData } from "node:worker_threads";
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

/** What the pool's workers do, by name. */
export async function work(task: string, ...given: Tensor[]): Promise<unknown> {
  const [x] = given as [Tensor];
  switch (task) {
    case "affine":
      return { sum: x.add(1), list: [x.mul(2)], live: torch.memory().tensors };
    case "products": {
      let product = x;
      for (let i = 0; i < 24; i += 1) product = product.matmul(x).mul(0.001);
      return product;
    }
    case "fail":
      return x.matmul(torch.zeros([7, 7]));
    case "range":
      throw new RangeError("on purpose");
    case "uncloneable":
      return { tensor: x, fn: () => 1 };
    case "exit":
      return process.exit(3);
    default:
      return undefined;
  }
}

if (workerData?.task === "serve") torch.threads.serve(work);
if (workerData?.task === "hold") {
  parentPort?.once("message", (given) => {
    const x = torch.threads.take<Tensor>(given);
    x.add_(1);
    parentPort?.postMessage({ sum: x.sum().item(), live: torch.memory().tensors });
  });
}
