// One of the processes of the measure "distributed", forked with an IPC channel: told "steps" and a mode, it trains so
// many steps and answers the milliseconds that one took.
import * as torch from "@penumbra/torch";
import { ResNet } from "../penumbra/src/models/index.ts";
import { type Clock, chooseClock, now } from "./clock.ts";

/** What the parent asks for; "alone" exchanges nothing. */
export interface Order {
  readonly steps: number;
  readonly mode: "together" | "alone";
}

const [images = "", clock = "wall"] = process.argv.slice(2);
chooseClock(clock as Clock);
torch.setNumThreads(1);
const group =
  process.env.RANK === undefined ? undefined : torch.distributed.initProcessGroup({ timeoutMs: 120_000 });
const net = new ResNet({ depth: 18, stem: "cifar", width: 32, classes: 10 }).to({
  memoryFormat: "channelsLast",
});
const model = group ? new torch.distributed.DataParallel(net, group) : net;
const optimizer = new torch.optim.SGD(net.parameters(), { lr: 1e-3, momentum: 0.9 });
const batch = torch.randn([Number(images), 3, 32, 32]).contiguous({ memoryFormat: "channelsLast" });
const labels = torch.randint(10, [Number(images)], { dtype: "int64" });

const step = (): void =>
  torch.scope(() => {
    optimizer.zeroGrad();
    model.forward(batch).crossEntropyLoss(labels).backward();
    optimizer.step();
  });

process.on("message", ({ steps, mode }: Order) => {
  const run = (): void => {
    for (let i = 0; i < steps; i++) step();
  };
  const started = now();
  if (mode === "alone" && model instanceof torch.distributed.DataParallel) model.noSync(run);
  else run();
  process.send?.((now() - started) / steps);
});
process.on("disconnect", () => process.exit());
