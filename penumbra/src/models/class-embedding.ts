import { nn, type Tensor } from "@penumbra/torch";

/** A learned vector for each class, and mixtures of them. */
export class ClassEmbedding extends nn.Embedding {
  /** @param labels int64 [B], or float [B, classes]: shares of the classes */
  override forward(labels: Tensor): Tensor {
    return labels.ndim === 1 ? super.forward(labels) : labels.to(this.weight.dtype).matmul(this.weight);
  }
}
