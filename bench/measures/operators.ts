import * as torch from "@penumbra/torch";
import { type Measure, millisecondsPerStep } from "../measure.ts";

const SIZE = 4;
const STEPS = 500;

/** Small-operator overhead: the way from the language to the operator and back, releasing the results included. */
export const operators: Measure = {
  name: "operators",
  title: `add, mul, relu, sum and mv on ${SIZE} numbers, per operator`,
  unit: "µs",
  goal: 1.1,
  async prepare(peer) {
    const x = torch.randn([SIZE]);
    const y = torch.randn([SIZE]);
    const matrix = torch.randn([SIZE, SIZE]);
    const step = (): void =>
      torch.noGrad(() =>
        torch.scope(() => {
          for (let index = 0; index < 20; index += 1) {
            x.add(y);
            x.mul(y);
            x.relu();
            x.sum([0]);
            matrix.mv(x);
          }
        }),
      );
    const { operators } = await peer.prepare("operators", { size: SIZE });
    const microseconds = (milliseconds: number): number => (milliseconds * 1000) / Number(operators);
    millisecondsPerStep(STEPS, step); // the JIT compiler's warm-up
    await peer.run(STEPS);
    return {
      ours: () => microseconds(millisecondsPerStep(STEPS, step)),
      peer: async () => microseconds(await peer.run(STEPS)),
    };
  },
};
