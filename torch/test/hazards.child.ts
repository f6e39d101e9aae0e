/** What once ended or stopped a process: each case runs in a process of its own, which prints what came of it. */
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Tensor } from "@penumbra/torch";
import * as torch from "@penumbra/torch";

const CASES: Readonly<Record<string, () => unknown>> = {
  /** libtorch holds the node's lock while its backward runs. */
  gradOfOwnOutput() {
    const x = torch.ones([3]).requiresGrad_();
    const y: Tensor = torch.customFunction(
      { forward: (v: Tensor) => v.exp(), backward: () => torch.enableGrad(() => torch.grad(y.sum(), [x])) },
      x,
    );
    y.sum().backward();
  },
  backwardOfOwnOutput() {
    const x = torch.ones([3]).requiresGrad_();
    const y: Tensor = torch.customFunction(
      {
        forward: (v: Tensor) => v.exp(),
        backward: (g) => {
          torch.enableGrad(() => y.sum().backward());
          return g;
        },
      },
      x,
    );
    y.mul(2).sum().backward();
  },
  gradOfOuterOutput() {
    const x = torch.ones([3]).requiresGrad_();
    const outer: Tensor = torch.customFunction(
      {
        forward: (v: Tensor) => v.exp(),
        backward: (g) => {
          const inner = torch.enableGrad(() =>
            torch.customFunction(
              {
                forward: (v: Tensor) => v.mul(2),
                backward: () => torch.enableGrad(() => torch.grad(outer.sum(), [x])[0]!),
              },
              x,
            ),
          );
          torch.enableGrad(() => inner.sum()).backward();
          return g;
        },
      },
      x,
    );
    outer.sum().backward();
  },
  /** Allowed: the own node is not run. */
  gradToOwnOutput() {
    const x = torch.ones([3]).requiresGrad_();
    const y: Tensor = torch.customFunction(
      {
        forward: (v: Tensor) => v.exp(),
        backward: (g) => torch.enableGrad(() => torch.grad(y.square().sum(), [y])[0]!).mul(g!),
      },
      x,
    );
    y.sum().backward();
    return x.grad?.tolist().toString().slice(0, 6);
  },
  /** Tensor's constructor, which is JavaScript, draws from the generator whose state it is to hold. */
  drawDuringGetState() {
    const generator = new torch.Generator({ seed: 0 });
    const block = new torch.Scope();
    const add = block.add;
    block.add = function (tensor) {
      block.add = add;
      add.call(this, tensor);
      torch.rand([2], { generator });
    };
    const { shape } = generator.getState();
    block[Symbol.dispose]();
    return shape;
  },
  truncated: () => disturbed((file) => truncateSync(file, 100)),
  rewritten: () =>
    disturbed((file) => {
      const descriptor = openSync(file, "w");
      writeSync(descriptor, "something else");
      closeSync(descriptor);
    }),
};

/** The sum of a tensor whose file is changed in place after it was read. */
function disturbed(disturb: (file: string) => void): number {
  const folder = mkdtempSync(join(tmpdir(), "penumbra-hazard-"));
  try {
    const file = join(folder, "x.safetensors");
    torch.safetensors.write(file, { x: torch.ones([1_000_000]) });
    const { x } = torch.safetensors.read(file).tensors;
    disturb(file);
    return x!.sum().item();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

let outcome: unknown;
try {
  outcome = CASES[process.argv[2] ?? ""]!();
} catch (error) {
  outcome = error instanceof torch.TorchError ? `TorchError: ${error.message}` : error;
}
console.log(outcome);
