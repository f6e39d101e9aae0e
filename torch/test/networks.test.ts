import { describe, expect, test } from "vitest";
import { type nn, noGrad, optim, scope, type Tensor } from "../src/index.ts";
import { ResNet18, Transformer, type TransformerSizes } from "./networks.ts";
import { expectAllClose, expectClose, fixture, under } from "./reference.ts";

interface Training {
  adamw: { lr: number; weightDecay: number };
  /** By the dtype in which the network was trained. */
  losses: Record<"float32" | "float64", number[]>;
}

const resnet = fixture<Training & { width: number; classes: number }>("resnet18");
const transformer = fixture<Training & TransformerSizes>("transformer");

const cases: [
  string,
  {
    make: () => nn.Module;
    description: Training;
    tensors: Record<string, Tensor>;
    loss: (y: Tensor, t: Tensor) => Tensor;
  },
][] = [
  [
    "ResNet-18",
    {
      make: () => new ResNet18(resnet.description),
      ...resnet,
      loss: (logits, targets) => logits.crossEntropyLoss(targets),
    },
  ],
  [
    "A small transformer",
    {
      make: () => new Transformer(transformer.description),
      ...transformer,
      loss: (logits, targets) => logits.flatten({ endDim: 1 }).crossEntropyLoss(targets.flatten()),
    },
  ],
];

describe.each(cases)("%s with the weights of PyTorch", (_name, { make, description, tensors, loss }) => {
  const { input, targets, output } = tensors as { input: Tensor; targets: Tensor; output: Tensor };
  const loaded = (): nn.Module => {
    const model = make();
    model.loadStateDict(under(tensors, "state."));
    return model;
  };

  test("gives PyTorch's output within 1e-5", () => {
    const model = loaded().eval();
    expectClose(
      noGrad(() => model.forward(input)),
      output,
      1e-5,
    );
  });

  test("gives PyTorch's gradients within 1e-5", () => {
    const model = loaded();
    scope(() => loss(model.forward(input), targets).backward());
    const gradients = model.namedParameters().map(([key, { grad }]) => [key, grad!]);
    expectAllClose(Object.fromEntries(gradients), under(tensors, "gradient."), 1e-5);
  });

  /** Trains for as many steps as there are losses, and expects each loss to be PyTorch's. */
  function train(dtype: "float32" | "float64"): nn.Module {
    const model = loaded().to(dtype);
    const x = input.isFloatingPoint() ? input.to(dtype) : input;
    const optimizer = new optim.AdamW(model.parameters(), description.adamw);
    for (const expected of description.losses[dtype]) {
      const value = scope(() => {
        optimizer.zeroGrad();
        const current = loss(model.forward(x), targets);
        current.backward();
        optimizer.step();
        return current.item();
      });
      expect(Math.abs(value - expected) / expected).toBeLessThan(1e-5);
    }
    return model;
  }

  test("has PyTorch's losses in ten steps of AdamW in float32, within 1e-5", () => {
    train("float32");
  });

  // In float32 the gradients that are 0 but for rounding (of a key's bias, say) make Adam divide rounding by rounding.
  test("is after ten steps of AdamW in float64 where PyTorch's is, within 1e-5", () => {
    expectAllClose(train("float64").stateDict(), under(tensors, "trained."), 1e-5);
  });
});
