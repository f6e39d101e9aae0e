import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { type Encoder, extractFeatures, type LinearProbe } from "../../contrast/index.ts";
import { type DetectorTable, detectors, type FittedDetector, type Network } from "../../unknowns/index.ts";

/**
 * Whether a detector looks at the pixels of each photo: its scores of an object's views are averaged, where others
 * score the mean of their features.
 */
export function looksAtPixels(name: string, table: DetectorTable = detectors): boolean {
  return table[name]?.needs.includes("pixels") ?? false;
}

/** What detectors that look at pixels are shown beside them. */
export interface Looked {
  readonly encoder: Encoder;
  readonly probe: LinearProbe;
  readonly device: string;
}

/** An encoder as a function of pixels, as detectors call it. */
export function networkOf(encoder: Encoder, device: string): Network {
  return (pixels01) => encoder.forward(pixels01.to(device)).to("cpu");
}

/** The score of each photo, float64 [N, 1]. @param pixels uint8 [N, 3, S, S] */
export function pixelScores(
  detector: FittedDetector,
  { pixels, encoder, probe, device }: Looked & { readonly pixels: Tensor },
): Tensor {
  const { weight, bias } = probe;
  const features = () => extractFeatures(encoder, pixels, { device });
  const scores = scope(() =>
    detector.score({
      ...{ pixels, network: networkOf(encoder, device), classifier: { weight, bias } },
      // Not every detector of pixels looks at them.
      get features() {
        return features();
      },
      get logits() {
        return probe.logits(features());
      },
    }),
  );
  return torch.fromTyped(scores, [scores.length, 1]);
}
