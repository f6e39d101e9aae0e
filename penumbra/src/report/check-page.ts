import type { FindingGroup, PhotoCheck, ShownFinding } from "../results/index.ts";
import { type Html, html, Html as Raw } from "./html.ts";
import { counted } from "./numbers.ts";
import { styleSheet } from "./style.ts";
import { spokenLanguage } from "./words/index.ts";

/** What `penumbra check` found as one self-contained HTML page: classes as bars, and a sheet of every finding. */
export function renderPhotoCheck(check: PhotoCheck): string {
  const { place, classes, notes, warnings, groups } = check;
  const photos = classes.reduce((sum, each) => sum + each.photos, 0);
  const leftOut = groups.filter(({ isLeftOut }) => isLeftOut);
  const odd = groups.filter(({ isLeftOut }) => !isLeftOut);
  const page = html`<!doctype html>
<html lang="${spokenLanguage()}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${place}: photos checked</title><style>${new Raw(styleSheet + CHECK_STYLE)}</style></head>
<body><main>
<header><h1>Photos of ${place}</h1>
<p>${counted(classes.length, "class", "classes")}, ${counted(photos, "photo", "photos")} used; ${counted(total(leftOut), "file or folder", "files and folders")} left out, ${counted(total(odd), "finding", "findings")} to look at</p>
<nav aria-label="Sections"><a href="#classes">Classes</a>${groups.map(({ kind, title }) => html`<a href="#${kind}">${title}</a>`)}</nav></header>
${[...notes, ...warnings].length > 0 && html`<section><div class="note"><ul>${[...warnings, ...notes].map((text) => html`<li>${text}</li>`)}</ul></div></section>`}
${classesSection(check)}
${leftOut.length > 0 && html`<section><h2>Left out</h2>${leftOut.map(groupPart)}</section>`}
${odd.length > 0 && html`<section><h2>To look at</h2><p>These photos are used.</p>${odd.map(groupPart)}</section>`}
<footer>Made by penumbra check. The same as data: penumbra check ${place} --json.</footer>
</main></body></html>
`;
  return page.text;
}

function total(groups: readonly FindingGroup[]): number {
  return groups.reduce((sum, { count }) => sum + count, 0);
}

/** So that the page of a set of thousands of classes opens at once. */
const MOST_CLASSES = 400;

function classesSection({ classes, sizes }: PhotoCheck): Html {
  const most = Math.max(...classes.map(({ photos }) => photos), 1);
  const shownSizes = sizes.slice(0, 5).map((size) => `${size.width} × ${size.height} (${size.photos})`);
  return html`<section id="classes"><h2>Classes</h2>
<p>Sizes in pixels: ${shownSizes.join(", ")}${sizes.length > 5 ? `, ${sizes.length - 5} more` : ""}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Classes"><table class="bars"><thead><tr><th scope="col">class</th><th scope="col">role</th><th scope="col" class="number">objects</th><th scope="col" class="number">views</th><th scope="col" class="number">photos</th><th scope="col">share of the largest</th></tr></thead>
<tbody>${classes
    .slice(0, MOST_CLASSES)
    .map(
      ({ className, role, objects, photos, views: [fewest, top] }) =>
        html`<tr><th scope="row" class="id">${className}</th><td>${role}</td><td class="number">${objects}</td><td class="number">${fewest === top ? fewest : `${fewest}–${top}`}</td><td class="number">${photos}</td><td><span class="bar ${role}" style="width:${((100 * photos) / most).toFixed(1)}%"></span></td></tr>`,
    )}</tbody></table></div>${classes.length > MOST_CLASSES && html`<p class="range">and ${classes.length - MOST_CLASSES} more; penumbra check --json names all</p>`}</section>`;
}

function groupPart({ kind, title, count, shown }: FindingGroup): Html {
  const more = count - shown.length;
  return html`<div id="${kind}"><h3>${title} <span class="range">${count}</span></h3>
<div class="findings">${shown.map(findingPart)}</div>${more > 0 && html`<p class="range">and ${more} more; penumbra check --json names all</p>`}</div>`;
}

function findingPart({ file, message, image, other, otherImage }: ShownFinding): Html {
  const picture = (source: string | undefined, name: string | undefined) =>
    source !== undefined &&
    name !== undefined &&
    html`<img src="${source}" alt="${name}" title="${name}" loading="lazy">`;
  return html`<figure class="finding">${picture(image, file)}${picture(otherImage, other)}<figcaption>${message}</figcaption></figure>`;
}

const CHECK_STYLE = `
.bars { width: 100%; } .bars td:last-child { width: 34%; }
.bar { display: block; height: 10px; border-radius: 3px; background: var(--known); }
.bar.near { background: var(--near); } .bar.far { background: var(--far); }
.findings { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 14px; }
.finding { margin: 0; display: flex; flex-wrap: wrap; gap: 6px; align-content: flex-start; }
.finding img { width: 96px; height: 96px; object-fit: contain; background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; }
.finding figcaption { flex: 1 0 100%; font-size: .86rem; overflow-wrap: anywhere; }
`;
