/** What each thread of workers.test.ts runs: a small network trained with a custom operation and dropout, all from its own seed. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

export interface Trained {
  readonly loss: number;
  readonly weights: Uint8Array;
  readonly liveTensors: number;
}

/** Smooth ReLU of TypeScript functions: calls from C++ back into the thread's own JavaScript. */
const softplus = (x: Tensor): Tensor =>
  torch.customFunction({ forward: (v: Tensor) => v.softplus(), backward: (g) => g!.mul(x.sigmoid()) }, x);

export function train(seed: number, steps: number): Trained {
  const before = torch.memory().tensors;
  const generator = new torch.Generator({ seed });
  const draw = (shape: number[], scale: number) =>
    torch.scope(() => torch.randn(shape, { generator }).mul(scale));
  const parameters = [draw([8, 32], 0.3), draw([32, 2], 0.3)].map((w) => w.requiresGrad_());
  const dropout = new torch.nn.Dropout(0.2, { generator });
  const [first, second] = parameters as [Tensor, Tensor];
  let loss = Number.NaN;
  for (let step = 0; step < steps; step++) {
    loss = torch.scope(() => {
      const x = dropout.forward(torch.randn([32, 8], { generator }));
      const y = x.narrow(1, 0, 2).sin();
      const error = softplus(x.mm(first)).mm(second).mseLoss(y);
      const gradients = torch.grad(error, parameters);
      torch.noGrad(() => {
        parameters.forEach((w, i) => {
          w.sub_(gradients[i]!, { alpha: 0.05 });
        });
      });
      if (step % 50 === 0) torch.noGrad(() => torch.autocast({ dtype: "bfloat16" }, () => x.mm(first)));
      return error.item();
    });
  }
  const bytes = torch.scope(
    () => new Uint8Array(torch.cat(parameters.map((w) => w.detach().flatten())).toTyped().buffer),
  );
  for (const w of parameters) w.dispose();
  return { loss, weights: bytes, liveTensors: torch.memory().tensors - before };
}

if (!isMainThread && parentPort && workerData?.task === "train") {
  const { seed, steps } = workerData as { seed: number; steps: number };
  parentPort.postMessage("started");
  parentPort.postMessage(train(seed, steps));
}
