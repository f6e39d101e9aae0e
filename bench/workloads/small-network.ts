import * as torch from "@penumbra/torch";
import { nn } from "@penumbra/torch";
import { trainingStep, type Workload } from "./workload.ts";

const SHAPE = { batch: 32, inputs: 16, hidden: 32, outputs: 4 };

/** Two small linear layers: nearly all overhead. */
export const smallNetwork: Workload = {
  module: "small_network",
  parameters: SHAPE,
  build() {
    const model = new nn.Sequential(
      new nn.Linear(SHAPE.inputs, SHAPE.hidden),
      new nn.ReLU(),
      new nn.Linear(SHAPE.hidden, SHAPE.outputs),
    );
    const inputs = torch.randn([SHAPE.batch, SHAPE.inputs]);
    const targets = torch.randn([SHAPE.batch, SHAPE.outputs]);
    return trainingStep(model, () => model.forward(inputs).mseLoss(targets));
  },
};
