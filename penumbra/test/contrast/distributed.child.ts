/** What each rank of distributed.test.ts runs, and the test itself as one process with all rows. */
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";
import { normalizeRows, supCon } from "../../src/contrast/index.ts";
import { ResNet } from "../../src/models/index.ts";

const { DataParallel, initProcessGroup, syncBatchNorm } = torch.distributed;

const ROWS = 8;
const LABELS = [0, 0, 1, 1, 2, 2, 3, 3];

/** A ResNet of width 8 with a projection onto the sphere. */
class Encoder extends torch.nn.Module {
  readonly net = new ResNet({ depth: 10, stem: "cifar", width: 8 });
  readonly head = new torch.nn.Linear(64, 16);
  forward(x: Tensor): Tensor {
    return normalizeRows(this.head.forward(this.net.features(x)));
  }
}

/**
 * Two steps of SupCon on 8 images and 8 negatives of 16 px. In a group each rank encodes its share of both, and the loss
 * sees all rows: those of the other ranks are gathered, and their gradients go back.
 * @returns all parameters and buffers after training, and the losses
 */
export function trainSupCon(group: torch.distributed.ProcessGroup | null): {
  state: number[];
  losses: number[];
} {
  torch.manualSeed(3);
  const encoder = new Encoder().to("float64");
  const model = group ? new DataParallel(syncBatchNorm(encoder, group), group) : encoder;
  const optimizer = new torch.optim.SGD(model.parameters(), { lr: 0.05 });
  const share = ROWS / (group?.size ?? 1);
  const rows = (x: Tensor) => x.narrow(0, (group?.rank ?? 0) * share, share);
  const gathered = (x: Tensor) => (group ? group.allGather(x) : x);
  const losses = [0, 1].map(() =>
    torch.scope(() => {
      const images = torch.randn([ROWS, 3, 16, 16], { dtype: "float64" });
      const negatives = torch.randn([ROWS, 3, 16, 16], { dtype: "float64" });
      optimizer.zeroGrad();
      const own = model.forward(torch.cat([rows(images), rows(negatives)])); // [2 share, 16]
      const loss = supCon(gathered(own.narrow(0, 0, share)).unsqueeze(1), {
        labels: LABELS,
        negatives: gathered(own.narrow(0, share, share)),
      });
      loss.backward();
      optimizer.step();
      return loss.item();
    }),
  );
  return { state: Object.values(encoder.stateDict()).flatMap((value) => value.toNumbers()), losses };
}

if (process.env.RANK !== undefined) {
  using group = initProcessGroup({ timeoutMs: 60_000 });
  process.stdout.write(JSON.stringify(trainSupCon(group)));
}
