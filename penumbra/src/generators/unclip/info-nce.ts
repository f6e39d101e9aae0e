import { scope, type Tensor } from "@penumbra/torch";

/**
 * CLIP's loss (Radford et al. 2021, figure 3): which text belongs to an image and which image to a text, by cross-entropy
 * over the batch, -mean log(exp(s a_i.b_i) / sum_j exp(s a_i.b_j)) both ways, embeddings of length 1. Where several texts
 * of the batch are equal, each of them belongs to the images of all (Yang et al. 2022, "Unified contrastive learning",
 * eq. 3): the target is uniform over them. Embeddings that are all the same give log B.
 *
 * @param images, texts [B, D], of any length but 0
 * @param scale s: the inverse temperature, a scalar or a number
 * @param labels int64 [B]: equal where the texts are equal
 * @returns a scalar
 */
export function infoNce(images: Tensor, texts: Tensor, scale: Tensor | number, labels: Tensor): Tensor {
  return scope(() => {
    const logits = unit(images).matmul(unit(texts).t()).mul(scale); // [B, B]
    const isPair = labels.unsqueeze(1).eq(labels.unsqueeze(0)).to(logits.dtype);
    const target = isPair.div(isPair.sum([1], { keepdim: true })); // symmetric
    const entropy = (of: Tensor) => of.logSoftmax(1).mul(target).sum([1]).mean().neg();
    return entropy(logits).add(entropy(logits.t())).div(2);
  });
}

function unit(vectors: Tensor): Tensor {
  return vectors.div(vectors.square().sum([1], { keepdim: true }).sqrt().clamp({ min: 1e-12 }));
}
