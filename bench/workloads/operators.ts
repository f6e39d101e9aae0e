import * as torch from "@penumbra/torch";
import { repeated, type Workload } from "./workload.ts";

const SIZE = 4;
const REPEATS = 20;

/** A fixed mix of operators on tensors so small that the time is the way to the operator and back. */
export const operators: Workload = {
  module: "operators",
  parameters: { size: SIZE, repeats: REPEATS },
  build() {
    const x = torch.randn([SIZE]);
    const y = torch.randn([SIZE]);
    const matrix = torch.randn([SIZE, SIZE]);
    const mix = (): void => {
      for (let index = 0; index < REPEATS; index += 1) {
        x.add(y);
        x.mul(y);
        x.relu();
        x.sum([0]);
        matrix.mv(x);
      }
    };
    return { run: repeated(() => torch.noGrad(() => torch.scope(mix))), facts: { operators: 5 * REPEATS } };
  },
};
