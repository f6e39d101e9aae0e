import * as torch from "@penumbra/torch";
import { noGrad, scope, type Tensor } from "@penumbra/torch";

const GROWTH_INTERVAL = 2000;

/**
 * Dynamic loss scaling for fp16, whose gradients would vanish below 6e-8 (Micikevicius et al. 2018, section 3.2): the
 * loss is multiplied by a scale, the gradients divided by it; a step whose gradients overflow is left out and the scale
 * halved, and after 2000 good steps it doubles. Start and steps as PyTorch's GradScaler.
 */
export class LossScale {
  scale: number;
  /** Good steps since the scale last changed. */
  streak: number;

  constructor({ scale = 65536, streak = 0 } = {}) {
    this.scale = scale;
    this.streak = streak;
  }

  /**
   * Divides the gradients by the scale.
   * @returns whether all are finite, so that the optimizer may step
   */
  unscale(parameters: readonly Tensor[]): boolean {
    const gradients = parameters.flatMap(({ grad }) => (grad ? [grad] : []));
    const areFinite = scope(() =>
      noGrad(() => {
        const device = gradients[0]?.device;
        const found = torch.zeros([1], { device });
        torch._ampForeachNonFiniteCheckAndUnscale_(
          gradients,
          found,
          torch.full([1], 1 / this.scale, { device }),
        );
        return found.item() === 0;
      }),
    );
    this.streak = areFinite ? this.streak + 1 : 0;
    if (!areFinite) this.scale /= 2;
    else if (this.streak % GROWTH_INTERVAL === 0) this.scale *= 2;
    return areFinite;
  }
}
