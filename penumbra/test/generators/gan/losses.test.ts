import {
  conv2d,
  deriveSeed,
  Generator,
  grad,
  manualSeed,
  optim,
  Random,
  randn,
  scope,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { diffAugment } from "../../../src/generators/gan/diff-augment.ts";
import {
  GAN_OBJECTIVES,
  type GanObjectiveName,
  gradientPenalty,
  jensenShannon,
  r1Penalty,
} from "../../../src/generators/gan/index.ts";
import { eachGolden, expectClose, type Golden } from "../../goldens.ts";
import { expectGradientsClose } from "../../gradients.ts";
import { mlp } from "../toys.ts";

const W = "weight.";

/** Names of the golden's formulas: of the discriminator's loss and of the generator's. */
const FORMULAS: Record<GanObjectiveName, [discriminator: string, generator: string]> = {
  "non-saturating": ["bce_d", "nonsaturating_g"],
  minimax: ["bce_d", "minimax_g"],
  hinge: ["hinge_d", "hinge_g"],
  wasserstein: ["wasserstein_d", "wasserstein_g"],
  "least-squares": ["lsgan_d", "lsgan_g"],
};

function criticOf(tensors: Golden["tensors"]) {
  const weights = Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(W))
      .map(([name, value]) => [name.slice(W.length), value.clone().requiresGrad_()]),
  );
  const w = (name: string) => weights[name]!;
  const critic = (x: Tensor) => {
    const halve = (h: Tensor, name: string) =>
      conv2d(h, w(`${name}.weight`), { bias: w(`${name}.bias`), stride: [2, 2], padding: [1, 1] }).leakyRelu({
        negativeSlope: 0.2,
      });
    const flat = halve(halve(x, "conv1"), "conv2").flatten({ startDim: 1 });
    return flat.matmul(w("out.weight").t()).add(w("out.bias")).squeeze(1);
  };
  return { weights, critic };
}

eachGolden("generators", "gan-", ({ tensors, json }) => {
  const close = (got: Tensor, name: string) => expectClose(got, tensors[name]!, json.rtol, name);
  for (const [name, [d, g]] of Object.entries(FORMULAS)) {
    const [real, fake] = [tensors.real!, tensors.fake!].map((x) => x.clone().requiresGrad_()) as [
      Tensor,
      Tensor,
    ];
    const objective = GAN_OBJECTIVES[name as GanObjectiveName];
    const losses = { [d]: objective.discriminator(real, fake), [g]: objective.generator(fake) };
    for (const [formula, loss] of Object.entries(losses)) {
      close(loss, formula);
      const [ofReal, ofFake] = grad(loss, [real, fake], { allowUnused: true });
      close(ofFake!, `${formula}.grad_fake`);
      if (formula === d) close(ofReal!, `${formula}.grad_real`);
    }
  }
  const { weights, critic } = criticOf(tensors);
  const [real, fake, alpha] = ["real", "fake", "alpha"].map((name) => tensors[`critic.${name}`]!);
  close(critic(real!), "critic.out_real");
  const gp = gradientPenalty(critic, real!, fake!, alpha!, json.lam as number);
  const wasserstein = GAN_OBJECTIVES.wasserstein.discriminator(critic(real!), critic(fake!));
  const penalised = {
    gradient_penalty: gp,
    r1: r1Penalty(critic, real!, json.gamma as number),
    wgan_gp_d: wasserstein.add(gp),
  };
  for (const [name, loss] of Object.entries(penalised)) {
    close(loss, name);
    const names = Object.keys(weights);
    const gradients = grad(
      loss,
      names.map((key) => weights[key]!),
      { allowUnused: true, retainGraph: true },
    );
    for (const [i, gradient] of gradients.entries()) {
      const wanted = `${name}.grad.${names[i]}`;
      // The last bias moves all logits alike: a gradient by the input does not know it.
      if (gradient) close(gradient, wanted);
      else expect(tensors[wanted]!.abs().max().item(), wanted).toBe(0);
    }
  }
});

describe("the Jensen-Shannon divergence", () => {
  /** Of N(-1, 1) and N(1, 1), by the trapezoid rule. */
  function exact(): number {
    const density = (x: number, mean: number) => Math.exp(-((x - mean) ** 2) / 2) / Math.sqrt(2 * Math.PI);
    let sum = 0;
    const step = 0.001;
    for (let x = -12; x <= 12; x += step) {
      const [p, q] = [density(x, -1), density(x, 1)];
      const half = (a: number) => (a > 0 ? a * Math.log((2 * a) / (p + q)) : 0);
      sum += ((half(p) + half(q)) / 2) * step;
    }
    return sum;
  }

  const draws = (seed: string, count: number, mean: number) => {
    const random = new Random(seed);
    return tensor(
      Array.from({ length: count }, () => [random.normal() + mean]),
      { dtype: "float32" },
    );
  };

  test("is read within 2 % from a discriminator that has learned two known distributions", () => {
    manualSeed(0);
    const network = mlp(1, 16, 1);
    const optimizer = new optim.AdamW(network.parameters(), { lr: 0.02, weightDecay: 0 });
    const logits = (x: Tensor) => network.forward(x).squeeze(1);
    const steps = 300;
    for (let step = 0; step < steps; step++) {
      scope(() => {
        const [p, q] = [draws(`p${step}`, 256, -1), draws(`q${step}`, 256, 1)];
        optimizer.lr = 0.02 * (1 - step / steps);
        optimizer.zeroGrad();
        GAN_OBJECTIVES["non-saturating"].discriminator(logits(p), logits(q)).backward();
        optimizer.step();
      });
    }
    const estimate = jensenShannon(logits(draws("p", 40_000, -1)), logits(draws("q", 40_000, 1))).item();
    expect(Math.abs(estimate / exact() - 1)).toBeLessThan(0.02);
  });

  test("is 0 where the discriminator cannot tell, and ln 2 where it is certain", () => {
    const at = (real: number, fake: number) => jensenShannon(tensor([real]), tensor([fake])).item();
    expect(at(0, 0)).toBeCloseTo(0, 6);
    expect(at(60, -60)).toBeCloseTo(Math.LN2, 6);
  });
});

describe("differentiable augmentation", () => {
  const images = scope(() => randn([6, 3, 16, 16], { generator: new Generator({ seed: 2 }) }).mul(0.3));
  const augmented = (x: Tensor, seed = 7) => diffAugment(x, new Generator({ seed }));

  test("keeps the shape, repeats by the seed, and differs for each image", () => {
    const once = augmented(images);
    expect(once.shape).toEqual(images.shape);
    expect(once.sub(augmented(images)).abs().max().item()).toBe(0);
    expect(once.sub(augmented(images, 8)).abs().max().item()).toBeGreaterThan(0.1);
    const same = images.narrow(0, 0, 1).expand([6, 3, 16, 16]);
    const ways = augmented(same);
    expect(ways.select(0, 0).sub(ways.select(0, 1)).abs().max().item()).toBeGreaterThan(0.1);
  });

  test("cuts a hole, and its gradient equals finite differences", () => {
    const holes = augmented(images).eq(0).sum().item() / images.numel;
    expect(holes).toBeGreaterThan(0.1);
    expect(holes).toBeLessThan(0.5);
    const point = randn([1, 3, 4, 4], {
      generator: new Generator({ seed: deriveSeed(0) }),
      dtype: "float64",
    });
    expectGradientsClose(([x]) => augmented(x!, 3).square().sum(), [point], { tolerance: 1e-6 });
  });
});
