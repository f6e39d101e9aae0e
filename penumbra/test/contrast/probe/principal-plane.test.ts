import * as torch from "@penumbra/torch";
import { scope } from "@penumbra/torch";
import { describe, expect, it } from "vitest";
import { ContrastError } from "../../../src/contrast/index.ts";
import { principalPlane, project } from "../../../src/contrast/probe/principal-plane.ts";

describe("the plane in which features differ most", () => {
  const generator = () => new torch.Generator({ seed: 2 });

  it("is that of the singular vectors of the centred features, with their shares of the variance", () => {
    scope(() => {
      const features = torch
        .randn([40, 6], { generator: generator(), dtype: "float64" })
        .mul(torch.tensor([0.1, 1, 0.5, 3, 1, 5], { dtype: "float64" }));
      const plane = principalPlane(features);
      const [, values, rows] = torch.linalgSvd(features.sub(features.mean([0])), { fullMatrices: false });
      const squares = values.square().toNumbers();
      const total = squares.reduce((sum, value) => sum + value, 0);
      for (const index of [0, 1] as const) {
        expect(plane.explained[index]).toBeCloseTo(squares[index]! / total, 10);
        const column = plane.directions.select(1, index).toNumbers();
        expect(Math.max(...column)).toBe(Math.max(...column.map(Math.abs))); // the largest entry is above 0
        const cosine = rows.select(0, index).mul(plane.directions.select(1, index)).sum().item();
        expect(Math.abs(cosine)).toBeCloseTo(1, 10);
      }
      const spread = project(plane, features).square().mean([0]).toNumbers();
      expect(spread[0]).toBeCloseTo(squares[0]! / 40, 8);
    });
  });

  it("does not turn over when the features come in another order, and keeps distances of a flat set", () => {
    scope(() => {
      const flat = torch.randn([20, 2], { generator: generator() }).matmul(torch.eye(5).narrow(0, 0, 2));
      const plane = principalPlane(flat);
      expect(plane.explained[0] + plane.explained[1]).toBeCloseTo(1, 12);
      const places = project(plane, flat);
      const [before, after] = [flat, places].map((rows) =>
        torch.cdist(rows.to("float64"), rows.to("float64")),
      );
      expect(after!.sub(before!).abs().amax().item()).toBeLessThan(1e-6);
      const turned = project(principalPlane(flat.flip([0])), flat);
      expect(turned.sub(places).abs().amax().item()).toBeLessThan(1e-9);
    });
  });

  it("needs two images", () => {
    expect(() => principalPlane(torch.ones([1, 4]))).toThrow(ContrastError);
  });
});
