import { enableGrad, grad, scope, type Tensor } from "@penumbra/torch";

/** What the two networks of a GAN minimise. */
export interface GanObjective {
  readonly description: string;
  /** @param real logits of real images [B] @param fake of drawn ones */
  discriminator(real: Tensor, fake: Tensor): Tensor;
  generator(fake: Tensor): Tensor;
  /** Whether the discriminator's loss is the cross-entropy, which the Jensen-Shannon divergence can be read from. */
  readonly isCrossEntropy: boolean;
}

/** mean softplus(-real) + mean softplus(fake): the cross-entropy of telling real from drawn (Goodfellow et al. 2014, eq. 1). */
const crossEntropy = (real: Tensor, fake: Tensor) =>
  scope(() => real.neg().softplus().mean().add(fake.softplus().mean()));

const meanScore = (fake: Tensor) => scope(() => fake.mean().neg());

export const GAN_OBJECTIVES = {
  "non-saturating": {
    description: "the generator maximises log D (Goodfellow et al. 2014, section 3)",
    discriminator: crossEntropy,
    generator: (fake) => scope(() => fake.neg().softplus().mean()),
    isCrossEntropy: true,
  },
  minimax: {
    description: "the original game: the generator minimises log(1 - D) (Goodfellow et al. 2014, eq. 1)",
    discriminator: crossEntropy,
    generator: (fake) => scope(() => fake.softplus().mean().neg()),
    isCrossEntropy: true,
  },
  hinge: {
    description: "margins of 1 about 0 (Lim and Ye 2017)",
    discriminator: (real, fake) =>
      scope(() => real.neg().add(1).relu().mean().add(fake.add(1).relu().mean())),
    generator: meanScore,
    isCrossEntropy: false,
  },
  wasserstein: {
    description:
      "the difference of the means; with a gradient penalty WGAN-GP (Gulrajani et al. 2017, eq. 3)",
    discriminator: (real, fake) => scope(() => fake.mean().sub(real.mean())),
    generator: meanScore,
    isCrossEntropy: false,
  },
  "least-squares": {
    description: "squared distances to 1 and 0 (Mao et al. 2017, eq. 9)",
    discriminator: (real, fake) =>
      scope(() => real.sub(1).square().mean().div(2).add(fake.square().mean().div(2))),
    generator: (fake) => scope(() => fake.sub(1).square().mean().div(2)),
    isCrossEntropy: false,
  },
} as const satisfies Readonly<Record<string, GanObjective>>;

export type GanObjectiveName = keyof typeof GAN_OBJECTIVES;
export const ganObjectiveNames = Object.keys(GAN_OBJECTIVES) as [GanObjectiveName, ...GanObjectiveName[]];

type Critic = (x: Tensor) => Tensor;

/** Gradients of a critic's logits by its input, differentiable themselves: [B, ...]. */
function inputGradients(critic: Critic, x: Tensor): Tensor {
  return enableGrad(() => {
    const at = x.detach().requiresGrad_();
    return grad(critic(at).sum(), [at], { createGraph: true })[0]!;
  });
}

/**
 * gamma / 2 mean |dD/dx|^2 at real images (Mescheder et al. 2018, eq. 9: R1).
 * @returns a scalar that can be differentiated by the critic's weights
 */
export function r1Penalty(critic: Critic, real: Tensor, gamma: number): Tensor {
  return scope(() =>
    inputGradients(critic, real)
      .square()
      .flatten({ startDim: 1 })
      .sum([1])
      .mean()
      .mul(gamma / 2),
  );
}

/**
 * lambda mean (|dD/dx| - 1)^2 at x = alpha real + (1 - alpha) fake (Gulrajani et al. 2017, eq. 3).
 * @param alpha [B, 1, ...] uniform in 0..1
 */
export function gradientPenalty(
  critic: Critic,
  real: Tensor,
  fake: Tensor,
  alpha: Tensor,
  lambda: number,
): Tensor {
  return scope(() => {
    const between = fake.detach().add(real.sub(fake.detach()).mul(alpha));
    const norms = inputGradients(critic, between).square().flatten({ startDim: 1 }).sum([1]).sqrt();
    return norms.sub(1).square().mean().mul(lambda);
  });
}

/**
 * The Jensen-Shannon divergence of real and drawn images in nats, 0 … ln 2, that a discriminator sees: ln 2 - its
 * cross-entropy / 2. The best discriminator gives the divergence itself, any other a lower bound (Goodfellow et al.
 * 2014, theorem 1).
 */
export function jensenShannon(real: Tensor, fake: Tensor): Tensor {
  return scope(() => crossEntropy(real, fake).div(-2).add(Math.LN2));
}
