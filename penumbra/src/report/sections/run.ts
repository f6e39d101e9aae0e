import type { Outcome, StageRecord } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { bytes, counted, duration } from "../numbers.ts";

interface StageTotal {
  readonly stage: string;
  readonly seconds: number;
  readonly count: number;
  readonly reused: number;
  readonly resumed: number;
}

/** Stages of one kind taken together, in the order of their first run. */
export function stageTotals(stages: readonly StageRecord[]): StageTotal[] {
  const totals = new Map<string, StageTotal>();
  for (const { stage, seconds, isReused, starts } of stages) {
    const before = totals.get(stage) ?? { stage, seconds: 0, count: 0, reused: 0, resumed: 0 };
    totals.set(stage, {
      stage,
      seconds: before.seconds + seconds,
      count: before.count + 1,
      reused: before.reused + (isReused ? 1 : 0),
      resumed: before.resumed + (starts > 1 ? 1 : 0),
    });
  }
  return [...totals.values()];
}

/** What ran: photos, model, machine, time of each stage, memory, configuration. */
export function runSection(outcome: Outcome): Html {
  const { machine, photos } = outcome;
  const totals = stageTotals(outcome.stages);
  const longest = Math.max(1e-9, ...totals.map(({ seconds }) => seconds));
  const all = totals.reduce((sum, { seconds }) => sum + seconds, 0);
  const group = (name: string, part: { classes: number; objects: number; photos: number }) =>
    part.photos > 0 &&
    html`<li>${name}: ${counted(part.classes, "class", "classes")}, ${counted(part.objects, "object")}, ${counted(part.photos, "photo")}</li>`;
  const facts: readonly (readonly [string, string])[] = [
    ["Processor", `${machine.processor}, ${counted(machine.cores, "core")}`],
    ["Device", machine.device],
    ["Precision", machine.precisionReason],
    ["Threads", String(machine.threads)],
    ["Peak memory", bytes(outcome.peakMemoryBytes)],
    ["Working time", duration(all)],
    ...(outcome.model
      ? ([["Diffusion model", `${outcome.model.name} (${outcome.model.hash.slice(0, 12)})`]] as const)
      : []),
    ["Seeds", outcome.seeds.join(", ")],
    ["Versions", `penumbra ${machine.penumbra}, libtorch ${machine.libtorch}, Node ${machine.node}`],
    ["Finished", outcome.createdAt.replace("T", " ").replace(/\.\d+Z$/, " UTC")],
  ];
  return html`<section id="run"><h2>What ran</h2>
<div class="columns">
<div><h3>Machine</h3><table class="facts"><tbody>${facts.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>
<h3>Photos</h3><ul>${group("Known", photos.known)}${group("Near unknowns", photos.near)}${group("Far unknowns", photos.far)}</ul>
<p>At each seed: ${Object.entries(photos.parts)
    .map(([part, count]) => `${count} ${part}`)
    .join(", ")}.</p>
${
  photos.problems.length > 0 &&
  html`<details><summary>${counted(photos.problems.length, "file")} left out</summary><ul>${photos.problems.map((problem) => html`<li>${problem}</li>`)}</ul></details>`
}</div>
<div><h3>Time of each stage</h3>${totals.some(({ reused }) => reused > 0) && html`<p>Kept stages lay complete in the run folder from an earlier start; their time is that of then.</p>`}<table class="stages"><tbody>${totals.map(
    (
      total,
    ) => html`<tr><th scope="row">${total.stage}${total.count > 1 && html` <span class="times">× ${total.count}</span>`}</th>
<td class="bar"><span style="width:${Math.max(0.5, (100 * total.seconds) / longest).toFixed(1)}%"></span></td>
<td class="number">${duration(total.seconds)}</td><td class="aside">${[
      total.reused > 0 && `${total.reused} kept`,
      total.resumed > 0 && `${total.resumed} resumed`,
    ]
      .filter(Boolean)
      .join(", ")}</td></tr>`,
  )}</tbody></table></div>
</div>
<details><summary>Configuration</summary><pre>${outcome.configuration}</pre></details>
</section>`;
}
