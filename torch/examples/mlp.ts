// A network of two hidden layers learns the sine from a thousand noisy points.
import { linspace, manualSeed, nn, optim, rand, randn, scope, type Tensor } from "@penumbra/torch";

manualSeed(0);
const x = rand([1000, 1]).mul(2 * Math.PI); // [N, 1], from 0 to 2 pi
const y = x.sin().add(randn([1000, 1]).mul(0.05));

const model = new nn.Sequential(
  new nn.Linear(1, 64),
  new nn.Tanh(),
  new nn.Linear(64, 64),
  new nn.Tanh(),
  new nn.Linear(64, 1),
);
const optimizer = new optim.Adam(model.parameters(), { lr: 0.01 });

function step(inputs: Tensor, targets: Tensor): number {
  optimizer.zeroGrad();
  const loss = model.forward(inputs).sub(targets).square().mean();
  loss.backward();
  optimizer.step();
  return loss.item();
}

for (let i = 1; i <= 400; i += 1) {
  const loss = scope(() => step(x, y)); // releases what the step has made
  if (i % 100 === 0) console.log(`step ${i}: loss ${loss.toFixed(4)}`);
}

const places = linspace(0.5, 5.5, 11).unsqueeze(1);
const error = model.forward(places).sub(places.sin()).abs().max().item();
console.log(`largest error ${error.toFixed(3)}`);
