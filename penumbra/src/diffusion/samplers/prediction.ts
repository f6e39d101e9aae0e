import type { Tensor } from "@penumbra/torch";
import { DiffusionError, type SchedulerConfig } from "../model/index.ts";

/** The image and the noise that a denoiser's output stands for. */
export interface Prediction {
  readonly image: Tensor;
  readonly eps: Tensor;
}

/**
 * @param abar share of the image's variance at the sample's timestep
 * @throws DiffusionError where nothing of the image is left and the output is its noise: it says nothing of the image
 */
export function predictionOf(
  { prediction_type: type }: SchedulerConfig,
  sample: Tensor,
  output: Tensor,
  abar: number,
): Prediction {
  const [signal, sigma] = [Math.sqrt(abar), Math.sqrt(1 - abar)];
  switch (type) {
    case "epsilon":
      if (signal === 0)
        throw new DiffusionError(
          'A model with "prediction_type" epsilon cannot begin at a timestep without any signal ("rescale_betas_zero_snr"). Use a strength below 1, or a sampler that begins just before: euler, euler-ancestral, dpm-solver++, unipc.',
        );
      return { image: sample.sub(output.mul(sigma)).div(signal), eps: output };
    case "sample":
      return { image: output, eps: sample.sub(output.mul(signal)).div(sigma) };
    case "v_prediction":
      return {
        image: sample.mul(signal).sub(output.mul(sigma)),
        eps: output.mul(signal).add(sample.mul(sigma)),
      };
  }
}

/**
 * The denoiser's output that stands for another image: the one that it stood for, moved.
 *
 * @param move what is added to the image, in the output's shape
 * @param abar as for `predictionOf`, above 0
 */
export function movedOutput(
  { prediction_type: type }: SchedulerConfig,
  output: Tensor,
  move: Tensor,
  abar: number,
): Tensor {
  const [signal, sigma] = [Math.sqrt(abar), Math.sqrt(1 - abar)];
  switch (type) {
    case "epsilon":
      return output.sub(move.mul(signal / sigma));
    case "sample":
      return output.add(move);
    case "v_prediction":
      return output.sub(move.div(sigma));
  }
}

/** The image in the range that the schedule asks for; as in diffusers, the noise stays what it was predicted to be. */
export function clipped(
  { clip_sample: isClipped, clip_sample_range: range }: SchedulerConfig,
  image: Tensor,
): Tensor {
  return isClipped ? image.clamp({ min: -range, max: range }) : image;
}
