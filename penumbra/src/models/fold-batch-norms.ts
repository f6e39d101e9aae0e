import { nn, noGrad, scope, type Tensor } from "@penumbra/torch";

/**
 * Folds every batch norm into the convolution before it, for a network that is used and trained no more: y = (w x - m) g
 * / sqrt(v + eps) + b is a convolution by w g / sqrt(v + eps) with the bias b - m g / sqrt(v + eps). What is left of the
 * norm changes nothing and is passed over.
 *
 * A norm belongs to the convolution that stands right before it among its module's children, as in all networks here.
 */
export function foldBatchNorms(network: nn.Module): void {
  for (const module of network.modules()) {
    const children = module.children();
    for (const [index, norm] of children.entries()) {
      const conv = children[index - 1];
      if (norm instanceof nn.BatchNorm2d && conv instanceof nn.Conv2d) fold(conv, norm);
    }
  }
}

function fold(conv: nn.Conv2d, norm: nn.BatchNorm2d): void {
  const { runningMean: mean, runningVar: variance } = norm;
  if (!mean || !variance) return; // it goes by each batch's own statistics
  const { weight, bias } = foldedConvolution(conv, norm);
  noGrad(() => {
    conv.weight.copy_(weight);
    const own = nn.parameter(bias.to(conv.weight.dtype), { requiresGrad: false });
    conv.bias?.dispose();
    Object.assign(conv, { bias: own });
    mean.zero_();
    variance.fill_(1 - norm.eps);
    norm.weight?.fill_(1);
    norm.bias?.zero_();
  });
  for (const tensor of [weight, bias]) tensor.dispose();
  norm.kernel = (x) => x;
}

/**
 * A convolution that does what a convolution and the batch norm after it do, in evaluation.
 *
 * @returns in float64: weight as the convolution's, bias [out]
 * @throws RangeError for a norm without running statistics
 */
export function foldedConvolution(
  { weight, bias }: nn.Conv2d,
  norm: nn.BatchNorm2d,
): { readonly weight: Tensor; readonly bias: Tensor } {
  return scope(() => {
    const exact = (tensor: Tensor | null) => tensor?.detach().to("float64");
    const [mean, variance] = [exact(norm.runningMean), exact(norm.runningVar)];
    if (!mean || !variance) throw new RangeError("A batch norm without running statistics cannot be folded.");
    const inverse = variance.add(norm.eps).rsqrt();
    const scale = norm.weight ? inverse.mul(exact(norm.weight)!) : inverse; // [out]
    const moved = (bias ? exact(bias)!.sub(mean) : mean.neg()).mul(scale);
    return {
      weight: exact(weight)!.mul(scale.view([-1, 1, 1, 1])),
      bias: norm.bias ? moved.add(exact(norm.bias)!) : moved,
    };
  });
}
