import { nn, type Tensor } from "@penumbra/torch";

/** A linear classifier whose features are dropped out in training (Srivastava et al. 2014): [M, D] -> [M, logits]. */
export class ClassifierHead extends nn.Linear {
  readonly dropout: nn.Dropout;

  /** @param probability that a feature is set to 0 in training, 0 … 1; the others are scaled by 1 / (1 - it) */
  constructor(dimensions: number, logits: number, probability: number) {
    super(dimensions, logits);
    this.dropout = new nn.Dropout(probability);
  }

  override forward(features: Tensor): Tensor {
    return super.forward(this.dropout.forward(features));
  }
}
