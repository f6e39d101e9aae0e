import * as torch from "@penumbra/torch";
import { noGrad, optim, scope, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { logitsBy } from "./classifier.ts";
import { type DetectorState, defineDetector, requireOption, tensorOf } from "./detector.ts";
import { flatPixels, rowsOfPixels } from "./flat-pixels.ts";
import type { Given } from "./samples.ts";
import { candidatesFor, everyCombination } from "./tuning.ts";

const CHUNK = 128;
/** Of the decoder, in relation to the features' variance, and of the module, on inputs of deviation 1. */
const [DECODER_RIDGE, MODULE_L2] = [0.1, 0.1];

export interface AbnormalityOptions {
  /** Deviation of the noise on distorted training images, of 0..1. Default 0.4. */
  readonly noise?: number;
}

type Needs = "pixels" | "features" | "logits" | "network" | "classifier";

/**
 * The abnormality module (Hendrycks and Gimpel 2017, section 4): a decoder draws the image from the features, and a
 * small network reads the squared differences of all pixels, the features and the logits together; it learns to tell
 * the training images from distorted copies of them, and its logit is the score.
 *
 * For few images, decoder and module are linear and solved to their optimum: ridge regression, whose training images
 * are drawn as if each had been left out (else it would know them by heart), and L2-regularised logistic regression. The
 * copies are noisy and blurred ones; the paper's rotated ones are left out, because parts lie any way round.
 */
export const abnormality = defineDetector({
  title: "Abnormality module",
  description:
    "What a decoder fails to draw from the features, read together with them and the logits (Hendrycks and Gimpel 2017)",
  needs: ["pixels", "features", "logits", "network", "classifier"],
  fitsOn: "train",
  tuning: everyCombination<AbnormalityOptions>({
    noise: candidatesFor(
      z.number().positive(),
      "Candidates for the noise on distorted training photos, as a share of a pixel's range",
      [0.4, 0.1],
    ),
  }),
  learn: (given, { noise = 0.4 }: AbnormalityOptions) => {
    requireOption("Abnormality module", "noise", noise, noise > 0, "above 0");
    const { pixels, features, logits, once } = given;
    // What does not depend on the size of the noise is the same for all its candidates.
    const { decoder, clean, soft, grain } = once(
      "decoder of images, what is seen of photos and blurred ones, and noise",
      () => {
        const photos = { values: rowsOfPixels(given), features, logits };
        const decoder = fitDecoder(features, photos.values);
        const soft = differing(seen(given, blurred(pixels)), decoder.state);
        const clean = inputs(photos, decoder.leftOut);
        return { decoder: decoder.state, clean, soft, grain: noiseOf(pixels) };
      },
    );
    const noisy = differing(
      seen(given, pixels.add(grain, { alpha: noise }).clampMin(0).clampMax(1)),
      decoder,
    );
    const rows = torch.cat([clean, noisy, soft]); // [3 N, D + features + C]
    const { module, offset } = fitModule(rows, clean.shape[0] as number);
    return { numbers: { noise }, tensors: { ...decoder, module, offset } };
  },
  score: (state, { features, logits, ...images }) => {
    const scores = rowsOfPixels(images)
      .split(CHUNK)
      .map((values, chunk) =>
        scope(() => {
          const count = values.shape[0] as number;
          const own = {
            values,
            features: features.narrow(0, chunk * CHUNK, count),
            logits: logits.narrow(0, chunk * CHUNK, count),
          };
          const rows = differing(own, tensorsOf(state));
          return rows.matmul(tensorOf(state, "module")).add(tensorOf(state, "offset"));
        }),
      );
    return torch.cat(scores);
  },
});

/** What encoder and classifier say of images, and these themselves: all [N, …] in float64. */
interface Seen {
  readonly values: Tensor;
  readonly features: Tensor;
  readonly logits: Tensor;
}

interface Decoder {
  /** Mean of the features, mean image, and the weights between them, [features, D]. */
  readonly featureMean: Tensor;
  readonly imageMean: Tensor;
  readonly weights: Tensor;
}

function seen({ network, classifier }: Given<Needs>, images: Tensor): Seen {
  const chunks = images.split(CHUNK).map((chunk) => scope(() => noGrad(() => network(chunk).to("float64"))));
  const features = torch.cat(chunks);
  return { values: flatPixels(images), features, logits: logitsBy(classifier, features) };
}

function differing(own: Seen, decoder: Decoder): Tensor {
  return inputs(own, own.values.sub(decoded(own.features, decoder)));
}

function inputs({ features, logits }: Seen, differences: Tensor): Tensor {
  return torch.cat([differences.square(), features, logits], { dim: 1 });
}

/**
 * Ridge regression of images on features, in the form that inverts [N, N], with the differences of the training images
 * as decoders without them would leave: e_i / (1 - H_ii).
 */
function fitDecoder(features: Tensor, values: Tensor): { readonly state: Decoder; readonly leftOut: Tensor } {
  const images = features.shape[0] as number;
  const [featureMean, imageMean] = [features.mean([0]), values.mean([0])];
  const centred = features.sub(featureMean);
  const kernel = centred.matmul(centred.t()); // [N, N]
  const ridge = Math.max(DECODER_RIDGE * (kernel.trace().item() / images), 1e-12);
  const inverse = kernel.add(torch.eye(images, { dtype: "float64" }), { alpha: ridge }).inverse();
  const weights = centred.t().matmul(inverse).matmul(values.sub(imageMean)); // [features, D]
  const own = kernel
    .matmul(inverse)
    .diagonal()
    .add(1 / images); // H_ii, with the mean
  const state = { featureMean, imageMean, weights };
  const differences = values.sub(decoded(features, state));
  return { state, leftOut: differences.div(own.neg().add(1).clampMin(1e-6).unsqueeze(1)) };
}

function decoded(features: Tensor, { featureMean, imageMean, weights }: Decoder): Tensor {
  return features.sub(featureMean).matmul(weights).add(imageMean);
}

function tensorsOf(state: DetectorState): Decoder {
  return {
    featureMean: tensorOf(state, "featureMean"),
    imageMean: tensorOf(state, "imageMean"),
    weights: tensorOf(state, "weights"),
  };
}

/** Logistic regression of "is a training image": the first `clean` rows are, and have as much weight as the others. */
function fitModule(rows: Tensor, clean: number): { readonly module: Tensor; readonly offset: Tensor } {
  const [count, width] = rows.shape as [number, number];
  const mean = rows.mean([0]);
  const deviation = rows.sub(mean).square().mean([0]).sqrt();
  // What never differs says nothing.
  const scale = deviation.where(deviation.gt(1e-9), torch.ones([], { dtype: "float64" }));
  const standard = rows.sub(mean).div(scale);
  const labels = torch.cat([
    torch.ones([clean], { dtype: "float64" }),
    torch.zeros([count - clean], { dtype: "float64" }),
  ]);
  const share = labels.mul(0.5 / clean).add(
    labels
      .neg()
      .add(1)
      .mul(0.5 / (count - clean)),
  );
  const minimum = optim.minimize(
    (point) => {
      const [weights, bias] = [point.narrow(0, 0, width), point.narrow(0, width, 1)];
      const logits = standard.matmul(weights).add(bias);
      // ln(1 + e^z) - y z, weighted
      const losses = logits.clampMin(0).add(logits.abs().neg().exp().log1p()).sub(labels.mul(logits));
      const value = losses
        .mul(share)
        .sum()
        .add(weights.square().sum(), { alpha: MODULE_L2 / 2 })
        .item();
      const error = logits.sigmoid().sub(labels).mul(share);
      const gradient = torch.cat([
        standard.t().matmul(error).add(weights, { alpha: MODULE_L2 }),
        error.sum().reshape([1]),
      ]);
      return { value, gradient };
    },
    torch.zeros([width + 1], { dtype: "float64" }),
  );
  const module = minimum.point.narrow(0, 0, width).div(scale);
  return { module, offset: minimum.point.narrow(0, width, 1).sub(module.mul(mean).sum()) };
}

/** Noise of deviation 1 for every image, which its pixels seed: whatever the order, the same. */
function noiseOf(pixels: Tensor): Tensor {
  const each = pixels.split(1).map((image) => {
    const generator = new torch.Generator({ seed: contentHash(image) });
    return torch.randn([...image.shape], { generator });
  });
  return torch.cat(each);
}

/** Each pixel as the mean of those around it, a sixth of the image wide: of the rows first, then of the columns. */
function blurred(pixels: Tensor): Tensor {
  const half = Math.max(1, Math.floor((pixels.shape[3] as number) / 12));
  const along = (rows: number, columns: number) => (images: Tensor) =>
    images.avgPool2d([2 * rows + 1, 2 * columns + 1], {
      ...{ stride: 1, padding: [rows, columns], countIncludePad: false },
    });
  return along(half, 0)(along(0, half)(pixels));
}

/** FNV-1a of the pixels as bytes. */
function contentHash(image: Tensor): number {
  let hash = 0x811c9dc5;
  for (const byte of image.mul(255).round().to("uint8").flatten().toTyped() as Uint8Array) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}
