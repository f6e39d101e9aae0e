import * as torch from "@penumbra/torch";
import { type Tensor, tensor } from "@penumbra/torch";
import { describe, expect, it } from "vitest";
import { ContrastError, principalPlane, project, umap } from "../../../src/contrast/index.ts";

const CLASSES = 12;
const OWN = 12;

/** Twelve classes, each along axes of its own, which no plane can tell apart. */
function classes(seed = 4): Tensor {
  const generator = new torch.Generator({ seed });
  const centres = torch.eye(CLASSES).mul(6).repeatInterleave(OWN, { dim: 0 });
  return torch
    .randn([CLASSES * OWN, CLASSES], { generator })
    .mul(0.6)
    .add(centres);
}

/** Share of the ten nearest of each image that are among its ten nearest by other rows too. */
function keptNeighbours(rows: Tensor, others: Tensor): number {
  const [of, in_] = [rows, others].map((all) => {
    const distances = torch.cdist(all.to("float64"), all.to("float64"));
    distances.fillDiagonal_(Number.POSITIVE_INFINITY);
    return distances.topk(10, { dim: 1, largest: false })[1].tolist() as number[][];
  }) as [number[][], number[][]];
  const shared = of.map((own, row) => own.filter((place) => in_[row]!.includes(place)).length / 10);
  return shared.reduce((sum, share) => sum + share, 0) / of.length;
}

describe("UMAP", () => {
  it("keeps the neighbours that the principal plane loses", async () => {
    const features = classes();
    const start = project(principalPlane(features), features);
    const places = await umap(features, { start, seed: 1 });
    expect(places.shape).toEqual([CLASSES * OWN, 2]);
    expect(keptNeighbours(features, places)).toBeGreaterThan(1.5 * keptNeighbours(features, start));
    const distances = torch.cdist(places, places).fillDiagonal_(Number.POSITIVE_INFINITY);
    const nearest = distances.argmin({ dim: 1 }).toNumbers();
    const right = nearest.filter((place, row) => Math.floor(place / OWN) === Math.floor(row / OWN));
    expect(right.length).toBeGreaterThanOrEqual(0.95 * nearest.length);
  });

  it("repeats its picture to the bit, and draws another with another seed", async () => {
    const features = classes();
    const start = project(principalPlane(features), features);
    const draw = async (seed: number) => (await umap(features, { start, seed })).tolist();
    const first = await draw(7);
    expect(await draw(7)).toEqual(first);
    expect(await draw(8)).not.toEqual(first);
  });

  it("starts from the places that it is given", async () => {
    // Two groups that share no neighbour lie to each other as they start, whatever the seed.
    const generator = new torch.Generator({ seed: 1 });
    const group = () => torch.randn([30, 8], { generator });
    const features = torch.cat([group(), group().add(100)]);
    const side = tensor(Array.from({ length: 60 }, (_, row) => (row < 30 ? -1 : 1)));
    const start = torch.stack([side, torch.zeros([60])], { dim: 1 });
    for (const [sign, seed] of [
      [1, 1],
      [1, 2],
      [-1, 1],
    ] as const) {
      const x = (await umap(features, { start: start.mul(sign), seed })).select(1, 0).mul(sign);
      expect(x.narrow(0, 0, 30).amax().item()).toBeLessThan(x.narrow(0, 30, 30).amin().item());
    }
  });

  it("takes images that are all alike, and as few as three", async () => {
    const alike = await umap(torch.ones([40, 8]), { start: torch.zeros([40, 2]), seed: 1 });
    expect(alike.isfinite().all().item()).toBe(1);
    const few = await umap(torch.eye(3), { start: torch.eye(3).narrow(1, 0, 2), seed: 1 });
    expect(few.shape).toEqual([3, 2]);
    expect(few.isfinite().all().item()).toBe(1);
  });

  it("refuses too few images, a start of another shape and features that are not finite", async () => {
    const options = { start: torch.zeros([4, 2]), seed: 1 };
    await expect(umap(torch.ones([2, 4]), options)).rejects.toThrow(/at least 3 images.*\[2,4\]/);
    await expect(umap(torch.ones([5, 4]), options)).rejects.toThrow(/\[5, 2\]; got \[4,2\]/);
    await expect(umap(torch.full([4, 4], Number.NaN), options)).rejects.toThrow(ContrastError);
  });
});
