// Saves one checkpoint after the other until it is killed; each holds its step in every part.
import { checkpoints, nn, noGrad, optim, scope, zeros } from "../src/index.ts";

const folder = process.argv[2]!;
const model = new nn.Linear(200, 200);
const optimizer = new optim.SGD(model.parameters(), { lr: 0, momentum: 0.5 });
for (let step = checkpoints.exists(folder) ? checkpoints.load(folder).step + 1 : 1; ; step++) {
  noGrad(() => model.weight.fill_(step));
  model.bias!.grad = zeros([200]).add(step);
  optimizer.step(); // the velocity tells the number of steps since the start of this process
  scope(() => checkpoints.save(folder, { model, optimizer, step, extra: { step } }));
  if (step % 3 === 0) process.stdout.write(".");
}
