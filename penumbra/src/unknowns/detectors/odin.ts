import * as torch from "@penumbra/torch";
import { noGrad, scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { logitsBy } from "./classifier.ts";
import { defineDetector, numberOf, requireOption } from "./detector.ts";
import { maxSoftmax } from "./msp.ts";
import type { Classifier, Network } from "./samples.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

const CHUNK = 128;

export interface OdinOptions {
  /** T, above 0. Default 1000, as published. */
  readonly temperature?: number;
  /** epsilon: how far each value of a pixel moves, of 0..1. Default 0.0014, as published. */
  readonly noise?: number;
}

/**
 * ODIN: max softmax(f(x') / T) of the image x' = x - eps sign(grad_x -ln max softmax(f(x) / T)): a step towards what
 * the image is called anyway lifts known ones more than unknown ones (Liang et al. 2018, eq. 2). As in the published
 * code, the sign of 0 is +1.
 */
export const odin = defineDetector({
  title: "ODIN",
  description: "Softmax at a high temperature of an image moved towards its class (Liang et al. 2018)",
  needs: ["pixels", "network", "classifier"],
  fitsOn: "nothing",
  tuning: everyCombination<OdinOptions>({
    temperature: candidatesFor(z.number().positive(), "Candidates for the temperature", [1000]),
    noise: candidatesFor(
      z.number().min(0),
      "Candidates for the size of the step, as a share of a pixel's range",
      [0.0014, 0.0028],
    ),
  }),
  learn: (_, { temperature = 1000, noise = 0.0014 }: OdinOptions) => {
    requireOption("ODIN", "temperature", temperature, temperature > 0, "above 0");
    requireOption("ODIN", "noise", noise, noise >= 0, "0 or more");
    return { numbers: { temperature, noise }, tensors: {} };
  },
  score: (state, { pixels, network, classifier, once }) => {
    const [temperature, noise] = [numberOf(state, "temperature"), numberOf(state, "noise")];
    const chunks = pixels.split(CHUNK);
    // The gradient does not depend on the size of the step: one for all candidates of a temperature.
    const { uphill } = once(`where images become less certain at temperature ${temperature}`, () => ({
      uphill: torch.cat(chunks.map((images) => uphillOf(images, network, classifier, temperature))),
    }));
    const scores = uphill.split(CHUNK).map((signs, index) =>
      scope(() =>
        noGrad(() => {
          const moved = movedAgainst(signs, chunks[index] as Tensor, noise);
          return maxSoftmax(logitsBy(classifier, network(moved).to("float64")), temperature);
        }),
      ),
    );
    return torch.cat(scores);
  },
});

/**
 * The images moved towards what they are called, x - eps sign(grad_x -ln max softmax(f(x) / T)).
 *
 * @param images x, float32 in 0..1
 */
export function towardsClass(
  images: Tensor,
  network: Network,
  classifier: Classifier,
  { temperature, noise }: Required<OdinOptions>,
): Tensor {
  return scope(() => movedAgainst(uphillOf(images, network, classifier, temperature), images, noise));
}

function movedAgainst(uphill: Tensor, images: Tensor, noise: number): Tensor {
  return images.sub(uphill.to("float32").mul(2).sub(1).mul(noise));
}

/** Where -ln max softmax(f(x) / T) grows with a pixel's value, or stays: bool of the images' shape. */
function uphillOf(images: Tensor, network: Network, classifier: Classifier, temperature: number): Tensor {
  return scope(() => {
    const pixels = images.detach().clone().requiresGrad_();
    const logits = logitsBy(classifier, network(pixels, "signs").to("float64")).div(temperature);
    const surprise = logits
      .logSoftmax(1)
      .amax({ dim: [1] })
      .sum()
      .neg();
    const [gradient] = torch.grad(surprise, [pixels]) as [Tensor];
    return gradient.ge(0);
  });
}
