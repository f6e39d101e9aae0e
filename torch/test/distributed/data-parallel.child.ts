/** What each rank of data-parallel.test.ts runs, and the test itself as one process on the whole batch. */
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

const { DataParallel, DistributedError, initProcessGroup, syncBatchNorm } = torch.distributed;
type Group = torch.distributed.ProcessGroup;
const { nn } = torch;

const ROWS = 8;

class Net extends nn.Module {
  readonly conv1 = new nn.Conv2d(3, 8, 3, { padding: 1, bias: false });
  readonly bn1 = new nn.BatchNorm2d(8);
  readonly conv2 = new nn.Conv2d(8, 6, 3, { stride: 2 });
  readonly bn2 = new nn.BatchNorm2d(6, { momentum: null });
  readonly fc = new nn.Linear(6, 5);
  readonly frozen = new nn.Linear(2, 2).requiresGrad_(false);

  forward(x: Tensor): Tensor {
    const hidden = this.bn1.forward(this.conv1.forward(x)).relu();
    return this.fc.forward(this.bn2.forward(this.conv2.forward(hidden)).relu().mean([2, 3]));
  }
}

export interface Trained {
  readonly losses: number[];
  /** Live tensors after each step. */
  readonly live: number[];
  /** Parameters and buffers, by their keys. */
  readonly state: Record<string, number[]>;
}

const stateOf = (model: torch.nn.AnyModule): Record<string, number[]> =>
  Object.fromEntries(Object.entries(model.stateDict()).map(([key, value]) => [key, value.toNumbers()]));

/** Four steps on 8 rows a step, or on this rank's share of them; the last two gather gradients of half a share each. */
export function train(group: Group | null, bucketBytes = 25 * 2 ** 20): Trained {
  torch.manualSeed(group ? 100 + group.rank : 100); // the ranks begin differently: rank 0's network counts
  const net = new Net().to("float64");
  const model = group ? new DataParallel(syncBatchNorm(net, group), group, { bucketBytes }) : net;
  const optimizer = new torch.optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
  const share = ROWS / (group?.size ?? 1);
  const generator = new torch.Generator({ seed: 7 });
  const losses: number[] = [];
  const live: number[] = [];
  for (let step = 0; step < 4; step++) {
    torch.scope(() => {
      const images = torch
        .randn([ROWS, 3, 9, 9], { generator, dtype: "float64" })
        .mul(step + 1)
        .add(3);
      const labels = torch.randint(5, [ROWS], { generator, dtype: "int64" });
      const rows = (x: Tensor) => x.narrow(0, (group?.rank ?? 0) * share, share);
      optimizer.zeroGrad();
      const lossOf = () => model.forward(rows(images)).crossEntropyLoss(rows(labels));
      if (step >= 2) {
        const accumulate = () => lossOf().mul(0.5).backward();
        if (model instanceof DataParallel) model.noSync(accumulate);
        else accumulate();
      }
      const loss = lossOf();
      (step >= 2 ? loss.mul(0.5) : loss).backward();
      optimizer.step();
      losses.push(group ? group.allReduce(loss.detach(), "mean").item() : loss.item());
    });
    live.push(torch.memory().tensors);
  }
  const state = stateOf(net);
  if (model instanceof DataParallel) model.detach();
  net.dispose();
  return { losses, live, state };
}

function messageOf(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (error instanceof DistributedError) return error.message;
    throw error;
  }
  return "nothing was thrown";
}

function misuses(group: Group) {
  const input = () => torch.randn([4, 4]);
  const halves = new nn.ModuleList([new nn.Linear(4, 2), new nn.Linear(4, 2)]);
  class Half extends nn.Module {
    readonly parts = halves;
    use = [0, 1];
    forward(x: Tensor): Tensor {
      return this.use.reduce((sum, i) => sum.add(this.parts.at(i).forward(x)), torch.zeros([1]));
    }
  }
  const half = new Half();
  const model = new DataParallel(half, group);
  half.use = [0];
  model.forward(input()).sum().backward();
  const unreached = messageOf(() => model.forward(input()));
  return {
    unreached,
    different: messageOf(() => new DataParallel(new nn.Linear(4, group.rank + 1), group)),
  };
}

function run() {
  using group = initProcessGroup({ timeoutMs: 30_000 });
  return { whole: train(group), bucketed: train(group, 256), ...misuses(group) };
}
export type Run = ReturnType<typeof run>;

if (process.env.RANK !== undefined) process.stdout.write(JSON.stringify(run()));
