import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test("synchronous loops over every way out of a tensor leave resident memory flat", () => {
  const child = join(import.meta.dirname, "resident.child.ts");
  const output = execFileSync(process.execPath, ["--import", "tsx", "--conditions=source", child], {
    encoding: "utf8",
  });
  const ways = JSON.parse(output) as { name: string; grown: number; leaked: number }[];
  expect(ways.length).toBeGreaterThan(10);
  for (const { name, grown, leaked } of ways.filter(({ leaked }) => leaked > 50e6)) {
    // The collector lets some arrays lie for a while: more than these 100 MB, and less than all, would be a leak.
    expect(grown, name).toBeLessThan(Math.min(100e6, 0.7 * leaked));
  }
});
