import { noGrad } from "../autograd.ts";
import type { Tensor } from "../tensor/index.ts";
import { _ampForeachNonFiniteCheckAndUnscale_, full, scope, TorchError, zeros } from "../tensor/index.ts";

export interface GradScalerOptions {
  /** Default 65,536. */
  initScale?: number;
  /** What the scale is multiplied by after `growthInterval` steps without an overflow. Default 2. */
  growthFactor?: number;
  /** What the scale is multiplied by after an overflow. Default 0.5. */
  backoffFactor?: number;
  /** Default 2,000. */
  growthInterval?: number;
}

/** What a scaler remembers, as plain data. */
export interface GradScalerState {
  readonly scale: number;
  /** Steps without an overflow since the scale has changed. */
  readonly growthTracker: number;
}

/** What has parameters in groups and takes steps: every optimizer but L-BFGS. */
interface Steppable {
  readonly groups: readonly { readonly params: readonly Tensor[] }[];
  step(): void;
}

/**
 * Keeps small gradients of float16 networks from becoming 0 (Micikevicius et al. 2018, section 3.2): losses are scaled up,
 * gradients down again before the step, and a step with an infinite gradient is left out.
 *
 * @example
 * scaler.scale(autocast("float16", () => loss(model.forward(x)))).backward();
 * scaler.unscale_(optimizer); // only where gradients are clipped
 * scaler.step(optimizer);
 * scaler.update();
 */
export class GradScaler {
  readonly #options: Required<Omit<GradScalerOptions, "initScale">>;
  #scale: number;
  #growthTracker = 0;
  /** Since the last update: whether an optimizer's gradients were infinite, and whether it has taken its step. */
  readonly #seen = new Map<Steppable, { isOverflow: boolean; isStepped: boolean }>();

  /** @throws TorchError unless growthFactor is above 1 and backoffFactor in 0 … 1 */
  constructor({
    initScale = 65_536,
    growthFactor = 2,
    backoffFactor = 0.5,
    growthInterval = 2_000,
  }: GradScalerOptions = {}) {
    if (!(growthFactor > 1 && backoffFactor > 0 && backoffFactor < 1 && initScale > 0)) {
      throw new TorchError(
        `GradScaler: initScale ${initScale}, growthFactor ${growthFactor}, backoffFactor ${backoffFactor}. Choose > 0, > 1 and 0 … 1.`,
      );
    }
    this.#scale = Math.fround(initScale);
    this.#options = { growthFactor, backoffFactor, growthInterval };
  }

  /** What losses are multiplied by now. */
  get currentScale(): number {
    return this.#scale;
  }

  get state(): GradScalerState {
    return { scale: this.#scale, growthTracker: this.#growthTracker };
  }

  set state({ scale, growthTracker }: GradScalerState) {
    this.#scale = scale;
    this.#growthTracker = growthTracker;
  }

  /** The loss times the scale: what `backward` is called on. */
  scale(loss: Tensor): Tensor {
    return loss.mul(this.#scale);
  }

  /**
   * Scales the gradients of an optimizer's parameters down, for example to clip them; `step` does it where it was not done.
   * @throws TorchError for a second call before `update`, and for float16 gradients: keep the parameters in float32
   */
  unscale_(optimizer: Steppable): void {
    if (this.#seen.has(optimizer))
      throw new TorchError("unscale_() was called for this optimizer already. Call update() after its step.");
    const grads = optimizer.groups.flatMap(({ params }) => params.flatMap(({ grad }) => grad ?? []));
    if (grads.length === 0)
      throw new TorchError("unscale_(): no parameter has a gradient. Call backward() first.");
    const half = grads.find(({ dtype }) => dtype === "float16");
    if (half) {
      throw new TorchError(
        `unscale_(): a gradient of shape [${half.shape}] is float16 and would lose what scaling kept. Keep parameters in float32 and compute under autocast.`,
      );
    }
    this.#seen.set(optimizer, { isOverflow: unscale(grads, Math.fround(1 / this.#scale)), isStepped: false });
  }

  /**
   * Lets the optimizer take its step, unless a gradient is infinite or NaN.
   * @returns whether it did
   * @throws TorchError for a second step before `update`
   */
  step(optimizer: Steppable): boolean {
    if (!this.#seen.has(optimizer)) this.unscale_(optimizer);
    const seen = this.#seen.get(optimizer)!;
    if (seen.isStepped)
      throw new TorchError("step() was called for this optimizer already. Call update() after each step.");
    seen.isStepped = true;
    if (!seen.isOverflow) optimizer.step();
    return !seen.isOverflow;
  }

  /**
   * Adapts the scale to what was seen since the last call.
   * @throws TorchError where no optimizer took a step
   */
  update(): void {
    if (this.#seen.size === 0)
      throw new TorchError("update(): no step was taken. Call step(optimizer) first.");
    const { growthFactor, backoffFactor, growthInterval } = this.#options;
    if ([...this.#seen.values()].some(({ isOverflow }) => isOverflow)) {
      this.#scale = Math.fround(this.#scale * backoffFactor);
      this.#growthTracker = 0;
    } else {
      this.#growthTracker += 1;
      if (this.#growthTracker === growthInterval) {
        const grown = Math.fround(this.#scale * growthFactor);
        if (Number.isFinite(grown)) this.#scale = grown;
        this.#growthTracker = 0;
      }
    }
    this.#seen.clear();
  }
}

/** Multiplies the gradients, a call for each device and dtype; gives whether one is not finite. */
function unscale(grads: readonly Tensor[], factor: number): boolean {
  return noGrad(() =>
    scope(() => {
      const byPlace = new Map<string, Tensor[]>();
      for (const grad of grads) {
        const place = `${grad.device} ${grad.dtype}`;
        byPlace.set(place, [...(byPlace.get(place) ?? []), grad]);
      }
      const flags = [...byPlace.values()].map((group) => {
        const options = { dtype: "float32", device: group[0]!.device } as const;
        const found = zeros([1], options);
        _ampForeachNonFiniteCheckAndUnscale_(group, found, full([], factor, options));
        return found;
      });
      return flags.some((found) => found.item() > 0);
    }),
  );
}
