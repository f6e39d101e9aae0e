import { nn } from "@penumbra/torch";

/**
 * The head that a contrastive loss sees the features through: Linear, ReLU, Linear, without batch norm (SupContrast's
 * "mlp"). It is left out after training: features are taken before it.
 */
export class ProjectionHead extends nn.Sequential {
  /**
   * @param dimensions D of the features; the hidden layer is as wide
   * @param projection dimensions of the output; 128 in SupContrast
   */
  constructor(dimensions: number, projection = 128) {
    super(new nn.Linear(dimensions, dimensions), new nn.ReLU(), new nn.Linear(dimensions, projection));
  }
}
