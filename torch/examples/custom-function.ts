// A gradient of one's own: a network whose weights are -1 or 1 learns, though the sign has no useful derivative.
import { customFunction, manualSeed, nn, optim, randn, scope, type Tensor } from "@penumbra/torch";

/**
 * The sign of x; backward it counts as the identity where |x| <= 1 and as constant elsewhere (the straight-through
 * estimator, Bengio et al. 2013, as used by Courbariaux et al. 2016, eq. 4).
 */
const binarize = (x: Tensor): Tensor =>
  customFunction(
    {
      forward: (x: Tensor) => x.sign(),
      backward: (gradient) => gradient?.mul(x.abs().le(1)) ?? null,
    },
    x,
  );

class BinaryLinear extends nn.Module {
  readonly weight: Tensor;
  readonly scale = nn.parameter(randn([1]));

  constructor(inputs: number, outputs: number) {
    super();
    this.weight = nn.parameter(randn([outputs, inputs]).mul(0.1));
  }

  /** [N, inputs] -> [N, outputs] */
  forward(x: Tensor): Tensor {
    return x.matmul(binarize(this.weight).t()).mul(this.scale);
  }
}

manualSeed(0);
const truth = randn([1, 16]).sign().mul(0.5); // what is to be found: signs, and one scale
const model = new BinaryLinear(16, 1);
const optimizer = new optim.Adam(model.parameters(), { lr: 0.02 });
for (let step = 1; step <= 300; step += 1) {
  scope(() => {
    const x = randn([64, 16]);
    const loss = model.forward(x).sub(x.matmul(truth.t())).square().mean();
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    if (step % 100 === 0) console.log(`step ${step}: loss ${loss.item().toFixed(4)}`);
  });
}

const found = model.weight.sign().mul(model.scale.sign()).eq(truth.sign()).sum().item();
console.log(`${found} of 16 signs found, scale ${Math.abs(model.scale.item()).toFixed(3)}`);
