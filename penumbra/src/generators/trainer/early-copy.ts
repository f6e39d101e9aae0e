import { nn, noGrad, type Tensor, zeros } from "@penumbra/torch";

/**
 * The weights of a network as they were early in a training: what stops there draws what is not yet right (FITYMI,
 * Mirzaei et al. 2023, takes such images for near-OOD). A part of checkpoints.
 */
export class EarlyCopy<Network extends nn.AnyModule> extends nn.Module<never[], never> {
  readonly network: Network;
  /** 1 once the copy was taken. */
  readonly taken: Tensor;

  /** @param network of the same kind as what is copied; it is not to be trained */
  constructor(network: Network) {
    super();
    this.network = network;
    network.requiresGrad_(false);
    this.taken = nn.buffer(zeros([1]));
  }

  /** A copy is a part of checkpoints, not a layer. */
  forward(): never {
    throw new TypeError("An early copy is not run: run its network.");
  }

  /** Copies a network's weights, the first time. */
  take(source: nn.AnyModule): void {
    if (this.taken.item() > 0) return;
    this.network.loadStateDict(source.stateDict());
    noGrad(() => this.taken.fill_(1));
  }
}
