import * as torch from "@penumbra/torch";
import { nn, type Tensor } from "@penumbra/torch";
import { trainingStep, type Workload } from "./workload.ts";

const SHAPE = { batch: 32, length: 64, inputs: 128, hidden: 256, layers: 2, classes: 10 };

class Classifier extends nn.Module {
  readonly lstm = new nn.LSTM(SHAPE.inputs, SHAPE.hidden, { numLayers: SHAPE.layers });
  readonly out = new nn.Linear(SHAPE.hidden, SHAPE.classes);

  forward(x: Tensor): Tensor {
    const [outputs] = this.lstm.forward(x); // [B, L, H]
    return this.out.forward(outputs.select(1, -1));
  }
}

/** An LSTM that classifies sequences by its last output. */
export const lstm: Workload = {
  module: "lstm",
  parameters: SHAPE,
  build() {
    const { batch, length, inputs, classes } = SHAPE;
    const model = new Classifier();
    const x = torch.randn([batch, length, inputs]);
    const labels = torch.randint(classes, [batch], { dtype: "int64" });
    return trainingStep(model, () => model.forward(x).crossEntropyLoss(labels));
  },
};
