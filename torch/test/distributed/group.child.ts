/** What each rank of group.test.ts runs: by the first argument, every collective operation, or a way to fail. */
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

const { DistributedError, initProcessGroup } = torch.distributed;

/** Values that differ by rank: rank r has r + 1, 2 (r + 1), … */
const ramp = (rank: number, length: number): Tensor => torch.arange(1, length + 1).mul(rank + 1);

/** The message of what `fn` throws; else what it returns. */
function messageOf(fn: () => unknown): unknown {
  try {
    return fn();
  } catch (error) {
    if (!(error instanceof DistributedError)) throw error;
    return error.message;
  }
}

function everyOperation() {
  using group = initProcessGroup({ timeoutMs: 30_000 });
  const { rank, size } = group;
  const own = ramp(rank, 4).to("float32");
  const columns = torch.arange(6).reshape([2, 3]).add(rank).t(); // [3, 2], not contiguous
  const x = ramp(rank, 2).to("float64").requiresGrad_();
  const gathered = group.allGather(x); // [2 size]
  gathered
    .mul(torch.arange(1, 2 * size + 1).mul(rank + 1))
    .sum()
    .backward();
  const gatherGradient = x.grad!.toNumbers();
  x.grad = null;
  group
    .allReduce(x, "mean")
    .mul(rank + 1)
    .sum()
    .backward();
  const reduceGradient = x.grad!.toNumbers();
  const y = ramp(rank, 2 * size)
    .to("float64")
    .requiresGrad_();
  group
    .reduceScatter(y)
    .mul(rank + 1)
    .sum()
    .backward();
  return {
    reductions: (["sum", "mean", "product", "min", "max"] as const).map((each) =>
      group.allReduce(own, each).toNumbers(),
    ),
    bits: (["and", "or", "xor"] as const).map((each) =>
      group.allReduce(torch.tensor([rank + 1, 5], { dtype: "int64" }), each).toNumbers(),
    ),
    half: group.allReduce(own.to("bfloat16")).toNumbers(),
    unchanged: own.toNumbers(),
    columns: group.allReduce_(columns.clone()).toNumbers(),
    gathered: group.allGather(columns).toNumbers(),
    scalars: group.allGather(torch.tensor(rank)).toNumbers(),
    empty: group.allGather(torch.zeros([0, 3])).shape,
    scattered: group.reduceScatter(ramp(rank, 2 * size)).toNumbers(),
    broadcast: group.broadcast_(torch.tensor([rank, 7]), { from: 1 }).toNumbers(),
    ...{ gatherGradient, reduceGradient, scatterGradient: y.grad!.toNumbers() },
    noGradient: messageOf(() => group.allReduce(x, "max")),
    wholeMean: messageOf(() => group.allReduce(torch.arange(3), "mean")),
    uneven: messageOf(() => group.reduceScatter(torch.zeros([2 * size + 1]))),
    shapes: messageOf(() => group.allReduce(torch.zeros([rank === 0 ? 5 : 50_000]))),
    dtypes: messageOf(() => group.allReduce(torch.zeros([4], { dtype: rank === 0 ? "float32" : "float64" }))),
    calls: messageOf(() => (rank === 0 ? group.barrier() : group.allGather(torch.zeros([4])))),
    after: group.allReduce(own).toNumbers(),
    closed: messageOf(() => {
      group.close();
      group.barrier();
    }),
  };
}

/** Takes part in one barrier, then is killed, or does nothing until the test ends it. */
function failing(how: string): void {
  initProcessGroup({ timeoutMs: 60_000 }).barrier();
  if (how === "killed") process.kill(process.pid, "SIGKILL");
  setTimeout(() => {}, 60_000);
}

const [task = ""] = process.argv.slice(2);
if (process.env.RANK !== undefined) {
  if (task === "operations") process.stdout.write(JSON.stringify(everyOperation()));
  else failing(task);
}
export type Operations = ReturnType<typeof everyOperation>;
