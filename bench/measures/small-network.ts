import * as torch from "@penumbra/torch";
import { nn, optim } from "@penumbra/torch";
import { type Measure, millisecondsPerStep } from "../measure.ts";

const SHAPE = { batch: 32, inputs: 16, hidden: 32, outputs: 4 };
const STEPS = 100;

/** A whole training step that is nearly all overhead: forward, backward, optimizer, releasing. */
export const smallNetwork: Measure = {
  name: "small-network",
  title: "training step of two small linear layers, batch 32, fused AdamW",
  unit: "µs",
  goal: 1.1,
  async prepare(peer) {
    const model = new nn.Sequential(
      new nn.Linear(SHAPE.inputs, SHAPE.hidden),
      new nn.ReLU(),
      new nn.Linear(SHAPE.hidden, SHAPE.outputs),
    );
    const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
    const inputs = torch.randn([SHAPE.batch, SHAPE.inputs]);
    const targets = torch.randn([SHAPE.batch, SHAPE.outputs]);
    const step = (): void =>
      torch.scope(() => {
        optimizer.zeroGrad();
        model.forward(inputs).mseLoss(targets).backward();
        optimizer.step();
      });
    await peer.prepare("small_network", SHAPE);
    millisecondsPerStep(STEPS, step);
    await peer.run(STEPS);
    return {
      ours: () => 1000 * millisecondsPerStep(STEPS, step),
      peer: async () => 1000 * (await peer.run(STEPS)),
    };
  },
};
