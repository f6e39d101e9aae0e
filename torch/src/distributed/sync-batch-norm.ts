import { noGrad } from "../autograd.ts";
import { BatchNorm, type BatchNormKernel } from "../nn/batch-norm.ts";
import type { AnyModule } from "../nn/module.ts";
import { batchNorm, cat, full } from "../tensor/index.ts";
import type { ProcessGroup } from "./group.ts";

/**
 * Makes every BatchNorm of a network take its statistics in training over the batches of all ranks, as if they were one
 * batch. Evaluation, keys and options stay as they are; the modules themselves stay too, so optimizers keep their hold.
 * Every rank must run the same layers, forward and backward.
 *
 * @returns the network
 * @example const model = new distributed.DataParallel(distributed.syncBatchNorm(new ResNet18(), group), group);
 */
export function syncBatchNorm<M extends AnyModule>(model: M, group: ProcessGroup): M {
  for (const module of model.modules()) {
    if (module instanceof BatchNorm) module.kernel = group.size > 1 ? kernelOver(group) : batchNorm;
  }
  return model;
}

/**
 * The statistics of the whole batch from those of its parts (Chan et al. 1979), with n_r values of each channel on rank
 * r and N in all:  mean = sum_r n_r mean_r / N,  var = sum_r n_r (var_r + (mean_r - mean)^2) / N.
 * Autograd differentiates it; the gradient of the gathered statistics is what the other ranks find for this rank's.
 */
function kernelOver(group: ProcessGroup): BatchNormKernel {
  return (x, weight, bias, runningMean, runningVar, usesBatch, momentum, eps, cudnn) => {
    if (!usesBatch) return batchNorm(x, weight, bias, runningMean, runningVar, false, momentum, eps, cudnn);
    const channels = x.shape[1]!;
    const values = x.dtype === "float64" ? x : x.to("float32");
    const axes = x.shape.map((_, axis) => axis).filter((axis) => axis !== 1);
    const own = axes.reduce((product, axis) => product * x.shape[axis]!, 1);
    const [ownVar, ownMean] = values.varMean(axes, { unbiased: false }); // [C]
    const count = full([1], own, { dtype: values.dtype, device: x.device });
    const all = group.allGather(cat([ownMean, ownVar, count]).unsqueeze(0)); // [R, 2 C + 1]
    const means = all.narrow(1, 0, channels); // [R, C]
    const vars = all.narrow(1, channels, channels); // [R, C]
    const counts = all.narrow(1, 2 * channels, 1); // [R, 1]
    const total = counts.sum();
    const share = counts.div(total); // [R, 1]
    const mean = means.mul(share).sum([0]); // [C]
    const variance = vars.add(means.sub(mean).square()).mul(share).sum([0]); // [C]

    noGrad(() => {
      runningMean?.lerp_(mean.to(runningMean.dtype), momentum);
      const unbiased = variance.mul(total.div(total.sub(1)));
      runningVar?.lerp_(unbiased.to(runningVar.dtype), momentum);
    });

    const perChannel = x.shape.map((_, axis) => (axis === 1 ? channels : 1));
    const scale = variance.add(eps).rsqrt();
    const scaled = values
      .sub(mean.reshape(perChannel))
      .mul((weight ? scale.mul(weight) : scale).reshape(perChannel));
    return (bias ? scaled.add(bias.reshape(perChannel)) : scaled).to(x.dtype);
  };
}
