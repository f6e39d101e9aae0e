import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import type { Classifier } from "./classifier.ts";
import { DeployError } from "./errors.ts";
import type { Gallery, Neighbour } from "./gallery.ts";
import type { Verdict } from "./verdict.ts";

/** Why an object got its verdict. */
export interface Explanation {
  readonly verdict: Verdict;
  /** Training photos that resemble it most. */
  readonly neighbours: readonly Neighbour[];
  /**
   * For each view a grid, rows from the top: how much hiding a place changes the verdict. Of a known object: the fall
   * of ln(odds) of its class. Of an unknown one: the rise of the score, in standard deviations over the places, so
   * that positive places are what makes it look unknown.
   */
  readonly heat: readonly (readonly (readonly number[])[])[];
}

export interface ExplainOptions {
  /** Places of the map along a side. Default 8. */
  readonly places?: number;
  /** Default 5. */
  readonly neighbours?: number;
}

/** A hidden place is so many times as wide as the places lie apart, so that no detail falls between two. */
const OVERLAP = 2;

/**
 * Explains the verdict on one object: its nearest training photos, and a map by occlusion (Zeiler and Fergus 2014,
 * section 4.2): each place of a view in turn is covered by the view's mean colour, all places of it as one batch, the
 * other views stay as they are.
 *
 * @param pixels uint8 [V, 3, S, S]: the views of the object
 * @throws DeployError without a view, or for a number of places that is not a whole number above 0
 */
export function explain(
  classifier: Classifier,
  gallery: Gallery,
  pixels: Tensor,
  { places = 8, neighbours = 5 }: ExplainOptions = {},
): Explanation {
  if (!Number.isInteger(places) || places < 1)
    throw new DeployError(`A map cannot have ${places} places a side. Give a whole number above 0.`);
  const views = pixels.shape[0] as number;
  if (views === 0) throw new DeployError("An object without a photo cannot be explained.");
  return scope(() => {
    const stages = classifier.rowsOf(pixels);
    const [verdict] = classifier.judgeRows(stages, [views]);
    const features = stages.at(-1)!.mean([0], { keepdim: true });
    const heat = Array.from({ length: views }, (_, view) =>
      scope(() => {
        const hidden = occlusions(pixels.select(0, view), places);
        const rows = classifier.rowsOf(hidden);
        const changed = judgeWithout(classifier, stages, rows, view);
        return gridOf(changesOf(verdict!, changed), places);
      }),
    );
    return { verdict: verdict!, neighbours: gallery.nearest(features, neighbours)[0]!, heat };
  });
}

/** The picture with each place covered in turn: uint8 [3, S, S] -> [places^2, 3, S, S]. */
function occlusions(picture: Tensor, places: number): Tensor {
  const side = picture.shape[2] as number;
  const colour = picture.to("float32").mean([1, 2]).round().to("uint8").reshape([3, 1, 1]); // [3, 1, 1]
  const half = Math.max(0.5, (OVERLAP * side) / places / 2);
  const span = (place: number) => {
    const middle = ((place + 0.5) * side) / places;
    const from = Math.max(0, Math.round(middle - half));
    return { from, length: Math.max(1, Math.min(side, Math.round(middle + half)) - from) };
  };
  const all = picture.unsqueeze(0).repeat([places * places, 1, 1, 1]);
  for (let row = 0; row < places; row++) {
    for (let column = 0; column < places; column++) {
      const [y, x] = [span(row), span(column)];
      all
        .select(0, row * places + column)
        .narrow(1, y.from, y.length)
        .narrow(2, x.from, x.length)
        .copy_(colour);
    }
  }
  return all;
}

/** The verdicts on the object with one view replaced by each of the rows, the others as they are. */
function judgeWithout(
  classifier: Classifier,
  stages: readonly Tensor[],
  replaced: readonly Tensor[],
  view: number,
): Verdict[] {
  const count = replaced[0]!.shape[0] as number;
  const views = stages[0]!.shape[0] as number;
  const together = stages.map((stage, index) => {
    const [before, after] = [stage.narrow(0, 0, view), stage.narrow(0, view + 1, views - view - 1)];
    const width = stage.shape[1] as number;
    const others = torch.cat([before, after]).unsqueeze(0).expand([count, -1, -1]); // [count, V - 1, D]
    return torch.cat([others, replaced[index]!.unsqueeze(1)], { dim: 1 }).reshape([count * views, width]);
  });
  return classifier.judgeRows(
    together,
    Array.from({ length: count }, () => views),
  );
}

function changesOf(verdict: Verdict, changed: readonly Verdict[]): number[] {
  if (verdict.isUnknown) {
    const rises = changed.map(({ score }) => score - verdict.score);
    const mean = rises.reduce((sum, rise) => sum + rise, 0) / rises.length;
    const variance = rises.reduce((sum, rise) => sum + (rise - mean) ** 2, 0) / rises.length;
    return rises.map((rise) => (variance > 0 ? rise / Math.sqrt(variance) : 0));
  }
  const oddsOf = ({ classes }: Verdict) => {
    const own = classes.find(({ className }) => className === verdict.className)!.probability;
    // A probability of exactly 0 or 1 has no odds; doubles get no nearer than this.
    return Math.log(Math.max(own, 1e-300)) - Math.log(Math.max(1 - own, 1e-16));
  };
  const whole = oddsOf(verdict);
  return changed.map((one) => whole - oddsOf(one));
}

function gridOf(values: readonly number[], places: number): number[][] {
  return Array.from({ length: places }, (_, row) => values.slice(row * places, (row + 1) * places));
}
