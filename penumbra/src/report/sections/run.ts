import type { Outcome, StageRecord } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { bytes, counted, duration } from "../numbers.ts";
import { asSaid, joined } from "../words/index.ts";
import type { Section } from "./section.ts";

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
export const run: Section = {
  name: "run",
  navigation: "What ran",
  title: () => "What ran",
  isShown: () => true,
  render: (outcome) => html`<div class="columns">
<div><h3>Machine</h3><table class="facts"><tbody>${factsOf(outcome).map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>
${photosList(outcome)}</div>
<div>${stagesTable(outcome)}</div>
</div>
<details><summary>Configuration</summary><pre tabindex="0">${outcome.configuration}</pre></details>`,
};

function factsOf({
  machine,
  model,
  seeds,
  stages,
  peakMemoryBytes,
  createdAt,
}: Outcome): (readonly [string, string])[] {
  return [
    ["Processor", joined([machine.processor, counted(machine.cores, "core")], ", ")],
    ["Device", machine.device],
    ["Precision", machine.precisionReason],
    ["Threads", String(machine.threads)],
    ["Peak memory", bytes(peakMemoryBytes)],
    ["Working time", duration(stages.reduce((sum, { seconds }) => sum + seconds, 0))],
    ...(model ? [["Diffusion model", `${model.name} (${model.hash.slice(0, 12)})`] as const] : []),
    ["Seeds", seeds.join(", ")],
    ["Versions", `penumbra ${machine.penumbra}, libtorch ${machine.libtorch}, Node ${machine.node}`],
    ["Finished", asSaid(createdAt.replace("T", " ").replace(/\.\d+Z$/, " UTC"))],
  ];
}

const MOST_PROBLEMS = 100;

function photosList({ photos }: Outcome): Html {
  const group = (name: string, part: { classes: number; objects: number; photos: number }) =>
    part.photos > 0 &&
    html`<li>${name}: ${counted(part.classes, "class", "classes")}, ${counted(part.objects, "object")}, ${counted(part.photos, "photo")}</li>`;
  return html`<h3>Photos</h3><ul>${group("Known", photos.known)}${group("Near unknowns", photos.near)}${group("Far unknowns", photos.far)}</ul>
<p>At each seed: ${joined(
    Object.entries(photos.parts).map(([part, count]) => `${count} ${part}`),
    ", ",
  )}.</p>
${
  photos.problems.length > 0 &&
  html`<details><summary>${counted(photos.problems.length, "file")} left out</summary><ul>${photos.problems.slice(0, MOST_PROBLEMS).map((problem) => html`<li>${problem}</li>`)}</ul>${photos.problems.length > MOST_PROBLEMS && html`<p>and ${photos.problems.length - MOST_PROBLEMS} more; penumbra check names all.</p>`}</details>`
}`;
}

function stagesTable({ stages }: Outcome): Html {
  const totals = stageTotals(stages);
  const longest = Math.max(1e-9, ...totals.map(({ seconds }) => seconds));
  return html`<h3>Time of each stage</h3>${totals.some(({ reused }) => reused > 0) && html`<p>Kept stages lay complete in the run folder from an earlier start; their time is that of then.</p>`}<table class="stages"><tbody>${totals.map(
    (
      total,
    ) => html`<tr><th scope="row">${total.stage}${total.count > 1 && html` <span class="times">× ${total.count}</span>`}</th>
<td class="bar"><span style="width:${Math.max(0.5, (100 * total.seconds) / longest).toFixed(1)}%"></span></td>
<td class="number">${duration(total.seconds)}</td><td class="aside">${joined(
      [
        ...(total.reused > 0 ? [`${total.reused} kept`] : []),
        ...(total.resumed > 0 ? [`${total.resumed} resumed`] : []),
      ],
      ", ",
    )}</td></tr>`,
  )}</tbody></table>`;
}
