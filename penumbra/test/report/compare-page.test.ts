import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { renderComparison, writeComparison } from "../../src/report/index.ts";
import type { Outcome } from "../../src/results/index.ts";
import { exampleOutcome } from "./outcome.ts";

const first: Outcome = { ...exampleOutcome({ seeds: [0, 1, 2] }), name: "small" };
const second: Outcome = {
  ...exampleOutcome({ seeds: [0, 1, 2, 3] }),
  name: "large <of> many",
  configuration: `${first.configuration}\nimageSize: 128 # larger\n`,
};

describe("several studies on one page", () => {
  const page = renderComparison([
    { title: first.name, outcome: first },
    { title: second.name, outcome: second },
  ]);

  it("has a row for every arm of every study, with the figures of each study's own detector", () => {
    const rows = /id="arms".*?<tbody>(.*?)<\/tbody>/s.exec(page)?.[1]?.match(/<tr>/g);
    expect(rows).toHaveLength(first.arms.length + second.arms.length);
    expect(page.replace(/<script.*<\/script>/s, "")).not.toMatch(/NaN|undefined|\[object|n\/a/);
    expect(page).toContain("large &lt;of&gt; many");
    const accuracies = first.results.flatMap((line) =>
      line.kind === "classification" && line.unit === "object" && line.arm === "supcon"
        ? [line.accuracy]
        : [],
    );
    const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
    const row = rows?.length && /<th scope="row">small<\/th><td>SupCon<\/td>(.*?)<\/tr>/s.exec(page)?.[1];
    expect(row).toContain(`<td class="number">${(100 * mean).toFixed(1)}</td>`);
  });

  it("has a row for every number of objects to learn from", () => {
    const curve = { ...exampleOutcome({ otherShots: [1, 2] }), name: "curve" };
    const of = renderComparison([
      { title: "curve", outcome: curve },
      { title: "small", outcome: first },
    ]);
    const rows = [...of.matchAll(/<th scope="row">curve<\/th><td>SupCon<\/td>.*?<\/tr>/g)];
    const objects = rows.map(([row]) => [...row.matchAll(/<td class="number">(\d+)<\/td>/g)][1]?.[1]);
    expect(objects).toEqual(["4", "1", "2"]);
  });

  it("has the hypotheses of both in one row each", () => {
    const rows = /id="hypotheses".*?<tbody>(.*?)<\/tbody>/s.exec(page)?.[1]?.match(/<tr>/g);
    expect(rows).toHaveLength(first.hypotheses.length);
    expect(page.match(/class="verdict/g)).toHaveLength(first.hypotheses.length + second.hypotheses.length);
  });

  it("shows the settings in which they differ, without comments, and no others", () => {
    const settings = /id="settings".*/s.exec(page)?.[0] ?? "";
    expect(settings).toContain("<pre>nothing of its own</pre>");
    expect(settings).toContain("<pre>imageSize: 128</pre>");
  });

  it("says that studies without hypotheses have none", () => {
    const bare = { ...first, hypotheses: [] };
    expect(
      renderComparison([
        { title: "a", outcome: bare },
        { title: "b", outcome: bare },
      ]),
    ).toContain("None of these studies has the arms that test one");
  });

  it("is written whole, tells runs of one name by their folders, and refuses a single one", async () => {
    const folder = await mkdtemp(join(tmpdir(), "penumbra-compare-"));
    const runs = ["a", "b"].map((name) => join(folder, name));
    try {
      for (const run of runs) {
        await mkdir(run);
        await writeFile(join(run, "report.json"), JSON.stringify(first));
      }
      const path = await writeComparison(runs, join(folder, "page.html"));
      const text = await readFile(path, "utf8");
      for (const run of runs) expect(text).toContain(run);
      await expect(writeComparison(runs.slice(1), path)).rejects.toThrow(/at least two/);
      await expect(writeComparison([...runs, folder], path)).rejects.toThrow(/has no report\.json/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
