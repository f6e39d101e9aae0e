import {
  conv2d,
  convTranspose2d,
  deriveSeed,
  Generator,
  grad,
  manualSeed,
  randn,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "@penumbra/torch";
import { expect, test } from "vitest";
import {
  bernoulliLogDensity,
  freeKl,
  klOfLatents,
  LIKELIHOODS,
  negativeElbo,
} from "../../../src/generators/vae/index.ts";
import { samplePosterior } from "../../../src/models/index.ts";
import { eachGolden, expectClose, type Golden } from "../../goldens.ts";
import { expectGradientsClose } from "../../gradients.ts";

const W = "weight.";

/** The network of the golden, from its weights. */
function golden(tensors: Golden["tensors"]) {
  const weights = Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(W))
      .map(([name, value]) => [name.slice(W.length), value.clone().requiresGrad_()]),
  );
  const w = (name: string) => weights[name]!;
  const encode = (x: Tensor) => {
    let h = conv2d(x, w("enc1.weight"), { bias: w("enc1.bias"), stride: [2, 2], padding: [1, 1] }).relu();
    h = conv2d(h, w("enc2.weight"), { bias: w("enc2.bias"), stride: [2, 2], padding: [1, 1] }).relu();
    const flat = h.flatten({ startDim: 1 });
    const linear = (name: string) => flat.matmul(w(`${name}.weight`).t()).add(w(`${name}.bias`));
    return { mean: linear("mu"), logvar: linear("logvar") };
  };
  const decode = (z: Tensor) => {
    const up1 = w("up1.weight");
    const h = z.matmul(w("dec.weight").t()).add(w("dec.bias")).relu().view([-1, up1.shape[0]!, 2, 2]);
    const options = { stride: [2, 2], padding: [1, 1] };
    const mid = convTranspose2d(h, up1, { ...options, bias: w("up1.bias") }).relu();
    return convTranspose2d(mid, w("up2.weight"), { ...options, bias: w("up2.bias") }); // logits
  };
  return { weights, encode, decode };
}

eachGolden("generators", "vae-", ({ tensors, json }) => {
  const { weights, encode, decode } = golden(tensors);
  const close = (got: Tensor, name: string) => expectClose(got, tensors[name]!, json.rtol, name);
  const posterior = encode(tensors.image!);
  const z = samplePosterior(posterior, tensors.eps!);
  const logits = decode(z);
  const kl = klOfLatents(posterior);
  const bernoulli = bernoulliLogDensity(tensors.image!, logits);
  const gaussian = LIKELIHOODS.mse.logDensity(tensors.image!, logits.sigmoid());
  close(kl.sum([1]), "kl");
  close(bernoulli, "log_px_bernoulli");
  close(gaussian, "log_px_gaussian");
  close(bernoulli.sub(kl.sum([1])), "elbo_bernoulli");
  const losses = {
    loss_bernoulli: negativeElbo(bernoulli, freeKl(kl, 0), 1),
    loss_gaussian_beta: negativeElbo(gaussian, freeKl(kl, 0), json.beta as number),
  };
  const names = Object.keys(weights);
  for (const [name, loss] of Object.entries(losses)) {
    close(loss, name);
    const gradients = grad(
      loss,
      names.map((key) => weights[key]!),
      { retainGraph: true },
    );
    for (const [i, gradient] of gradients.entries())
      close(gradient, `${name.replace("loss", "grad")}.${names[i]}`);
  }
});

test("the KL divergence of a standard normal posterior is 0, of any other more", () => {
  const zero = zeros([3, 4]);
  expect(klOfLatents({ mean: zero, logvar: zero }).abs().max().item()).toBe(0);
  expect(
    klOfLatents({ mean: zero.add(0.1), logvar: zero })
      .min()
      .item(),
  ).toBeGreaterThan(0);
  expect(
    klOfLatents({ mean: zero, logvar: zero.sub(0.1) })
      .min()
      .item(),
  ).toBeGreaterThan(0);
});

test("free bits: latent numbers below them cost the same and get no gradient", () => {
  const mean = tensor([[0.1, 2]], { dtype: "float32" }).requiresGrad_();
  const kl = klOfLatents({ mean, logvar: zeros([1, 2]) });
  const loss = freeKl(kl, 0.5);
  expect(loss.item()).toBeCloseTo(0.5 + 2, 6);
  expect(grad(loss, [mean])[0]!.toNumbers()).toEqual([0, 2]);
});

test("the gradient through a draw equals finite differences", () => {
  manualSeed(deriveSeed(0, "vae test"));
  const generator = new Generator({ seed: 3 });
  const draw = (shape: number[]) => randn(shape, { generator, dtype: "float64" });
  const [x, noise, weight] = [draw([4, 3]), draw([4, 2]), draw([2, 3])];
  for (const { logDensity } of [LIKELIHOODS.mse, LIKELIHOODS.l1, LIKELIHOODS.bernoulli]) {
    expectGradientsClose(
      ([mean, logvar]) => {
        const posterior = { mean: mean!, logvar: logvar! };
        const output = samplePosterior(posterior, noise).matmul(weight);
        const data = x.tanh(); // in -1..1
        return negativeElbo(logDensity(data, output), freeKl(klOfLatents(posterior), 0), 0.7);
      },
      [draw([4, 2]), draw([4, 2])],
    );
  }
});

test("a likelihood is a density: it integrates to 1", () => {
  scope(() => {
    const steps = 4001;
    const x = tensor(
      Array.from({ length: steps }, (_, i) => [-20 + (40 * i) / (steps - 1)]),
      { dtype: "float64" },
    );
    for (const { logDensity } of [LIKELIHOODS.mse, LIKELIHOODS.l1]) {
      const total = logDensity(x, zeros([1, 1], { dtype: "float64" }).expand([steps, 1]))
        .exp()
        .sum()
        .item();
      expect((total * 40) / (steps - 1)).toBeCloseTo(1, 3);
    }
    const both = tensor([[0], [1]], { dtype: "float64" });
    const logits = tensor([[0.3], [0.3]], { dtype: "float64" });
    expect(bernoulliLogDensity(both, logits).exp().sum().item()).toBeCloseTo(1, 6);
  });
});
