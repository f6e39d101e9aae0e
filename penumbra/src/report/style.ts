/** Colours of the arms, by their place among the arms; further arms start anew. */
export const ARM_COLOURS = [
  { paper: "#6b7280", screenAtNight: "#a3acb8" },
  { paper: "#0072b2", screenAtNight: "#56b4e9" },
  { paper: "#009e73", screenAtNight: "#3fc79e" },
  { paper: "#d55e00", screenAtNight: "#f0894a" },
  { paper: "#b3478f", screenAtNight: "#e08fc6" },
  { paper: "#8a6d00", screenAtNight: "#e6c44d" },
  { paper: "#3d4a9e", screenAtNight: "#9aa8f0" },
  { paper: "#8c4a2f", screenAtNight: "#d3a58f" },
] as const;

function armColours(ground: "paper" | "screenAtNight"): string {
  return ARM_COLOURS.map((colour, index) => `--arm-${index}: ${colour[ground]};`).join(" ");
}

/**
 * The report's style sheet. Colours: Okabe & Ito's palette (2008), which people with any common colour blindness can
 * tell apart; series differ in lightness too, for paper.
 */
export const styleSheet = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f6f7f9; --ink: #16191d; --soft: #5a6470; --rule: #d9dee4; --grid: #e6e9ed;
  --known: #0072b2; --near: #d55e00; --far: #8a6fb0; --accent: #0072b2;
  --good: #00664c; --good-bg: #d9f2ea; --bad: #9a3300; --bad-bg: #fbe3d6; --plain: #49525c; --plain-bg: #e8ebef;
  --note-bg: #fff6dd; --note: #5c4600; --note-rule: #e6b800;
  ${armColours("paper")}
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --panel: #1c2026; --ink: #e8ebee; --soft: #a0a9b4; --rule: #343b44; --grid: #2a3038;
    --known: #56b4e9; --near: #f0894a; --far: #b79fdd; --accent: #56b4e9;
    --good: #6fd9b6; --good-bg: #0f3b30; --bad: #ffb088; --bad-bg: #4a2312; --plain: #c3cad2; --plain-bg: #2c333b;
    --note-bg: #33290b; --note: #f3dc97; --note-rule: #b38f00;
    ${armColours("screenAtNight")}
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 64px; }
header h1 { font-size: 1.05rem; font-weight: 600; margin: 0; }
header p { margin: 2px 0 0; color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 10px; font-size: .9rem; }
nav a { color: var(--accent); text-decoration: none; white-space: nowrap; }
nav a:hover { text-decoration: underline; }
section { margin-top: 44px; }
#answer { margin-top: 26px; }
h2 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 8px; }
#answer > h2 { font-size: clamp(1.55rem, 4.2vw, 2.2rem); line-height: 1.18; letter-spacing: -.012em; margin: 0 0 14px; max-width: 26em; text-wrap: balance; }
h3 { font-size: 1.02rem; margin: 22px 0 6px; }
h4 { font-size: .95rem; margin: 16px 0 6px; }
p { margin: 0 0 12px; max-width: 46em; overflow-wrap: break-word; }
ul { padding-left: 1.2em; margin: 0 0 12px; }
.evidence p { margin-bottom: 2px; }
.nowrap { white-space: nowrap; }
code, pre { font: .86em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { background: var(--panel); padding: 1px 5px; border-radius: 4px; }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 14px; overflow-x: auto; }
.note { max-width: 46em; background: var(--note-bg); color: var(--note); border-left: 4px solid var(--note-rule); padding: 10px 14px; border-radius: 0 6px 6px 0; }
.note ul { margin: 4px 0 0; } .note + p { margin-top: 12px; }
.note code { background: none; padding: 0; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .93rem; }
th { font-weight: 500; text-align: left; }
thead th { color: var(--soft); font-size: .8rem; vertical-align: bottom; }
td, th { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--grid); vertical-align: middle; }
thead th { border-bottom-color: var(--rule); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.range { font-variant-numeric: tabular-nums; white-space: nowrap; color: var(--soft); }
.comparisons { width: 100%; min-width: 640px; }
.comparisons tbody th { width: 34%; }
.comparisons td.glyph, .comparisons th.glyph { width: 232px; padding-right: 0; }
.comparisons tfoot td { border: 0; padding-top: 2px; } .comparisons tfoot svg { height: 22px; }
.comparisons th.glyph span { display: inline-block; width: 50%; } .comparisons th.glyph span:last-child { text-align: right; }
.verdict { display: inline-block; padding: 1px 9px; border-radius: 999px; font-size: .84rem; font-weight: 600; white-space: nowrap; background: var(--plain-bg); color: var(--plain); }
.verdict.better { background: var(--good-bg); color: var(--good); }
.verdict.worse { background: var(--bad-bg); color: var(--bad); }
details { margin-top: 14px; } summary { cursor: pointer; color: var(--accent); }
details[open] > summary { margin-bottom: 8px; }
svg { display: block; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; fill: var(--soft); }
svg.chart { width: 100%; height: auto; } svg.interval { width: 220px; height: 30px; }
svg.dots { width: 104px; height: 16px; margin: 2px 0 0 auto; }
.gridline { stroke: var(--grid); } .base { stroke: var(--rule); } .level { stroke: var(--soft); stroke-dasharray: 4 3; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke: var(--arm); opacity: .85; } .line.thin { stroke-width: 1; stroke-dasharray: 3 2; }
.dot { fill: var(--arm); opacity: .75; } .spread { stroke: var(--arm); stroke-width: 1.2; opacity: .6; } .middle { stroke: var(--arm); stroke-width: 2; }
.area { stroke: var(--series); fill: var(--series); stroke-width: 1.6; fill-opacity: .2; }
.area.known, .key.known { --series: var(--known); } .area.near, .key.near { --series: var(--near); } .area.far, .key.far { --series: var(--far); }
.area.far { stroke-dasharray: 4 2; }
.zero { stroke: var(--soft); stroke-width: 1; } .margin { fill: var(--plain-bg); }
.whisker { stroke: var(--ink); stroke-width: 1.3; } .whisker-end { fill: var(--ink); }
.objects { stroke: var(--accent); stroke-width: 7; stroke-linecap: butt; opacity: .45; }
.seed { stroke: var(--ink); stroke-width: 1.2; opacity: .7; } .mean { fill: var(--accent); stroke: var(--paper); stroke-width: 1.5; }
.cell { fill: color-mix(in srgb, var(--known) calc(var(--share) * 100%), var(--panel)); }
.cell.right { stroke: var(--soft); stroke-width: 1; }
.count { font-size: 10px !important; fill: var(--ink) !important; } .count.light { fill: var(--paper) !important; }
${ARM_COLOURS.map((_, index) => `.arm-${index} { --arm: var(--arm-${index}); }`).join(" ")}
.swatch, .key { display: inline-block; width: .72em; height: .72em; border-radius: 2px; background: var(--arm, var(--series)); margin-right: 7px; }
.key { margin: 0 2px 0 6px; }
.sortable thead th { cursor: pointer; } .sortable thead th[aria-sort]::after { content: " ▾"; } .sortable thead th[data-turned=yes]::after { content: " ▴"; }
.chosen th, .chosen td { background: var(--plain-bg); } .detectors { width: 100%; } .operating th[scope=row] { white-space: nowrap; } .detectors th[scope=row] { white-space: nowrap; } .detectors thead th { white-space: normal; max-width: 7.5em; }
.ground { fill: var(--panel); } .dots { fill: none; stroke: var(--series); stroke-width: 4; stroke-linecap: round; opacity: .6; }
.dots.known, .dots.train, .key.train { --series: var(--known); } .dots.near { --series: var(--near); } .dots.far { --series: var(--far); }
.dots.train { stroke-width: 6; opacity: .9; } .key.train { outline: 2px solid var(--known); outline-offset: 1px; }
.dots.faithful, .key.faithful { --series: var(--arm-2); } .dots.nearOod, .key.nearOod { --series: var(--arm-5); }
.legend > * { white-space: nowrap; }
.arms th[scope=row] { white-space: nowrap; } .arms thead th { white-space: normal; max-width: 9.5em; }
.grid { display: grid; gap: 18px 22px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); }
.grid.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
table + .grid, .scroll + .grid { margin-top: 30px; } .grid + .scroll { margin-top: 22px; } .scroll + p { margin-top: 12px; } .grid + p { margin-top: 22px; } .augmented { display: block; width: 100%; max-width: 660px; height: auto; border-radius: 6px; }
figure { margin: 0; } figcaption { font-size: .86rem; }
.grid > figure > figcaption { font-weight: 600; margin-bottom: 2px; }
.strip { margin-top: 16px; border-top: 1px solid var(--grid); padding-top: 10px; } .strip h3, .strip h4 { margin: 0 0 8px; }
.pairs { display: grid; gap: 0 40px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 490px), 1fr)); }
.tiles { display: flex; gap: 10px; overflow-x: auto; padding-bottom: 6px; }
.tile { flex: 0 0 112px; } .tile img { display: block; width: 112px; height: 112px; border-radius: 5px; border: 3px solid var(--rule); object-fit: cover; }
.tile.known img, .tile.photo img { border-color: var(--known); } .tile.photo img { border-style: double; } .tile.near img { border-color: var(--near); }
.tile figcaption { font-size: .74rem; line-height: 1.35; color: var(--soft); margin-top: 4px; overflow-wrap: anywhere; } .tile figcaption b { color: var(--ink); }
.id { overflow-wrap: anywhere; }
.tag { font-size: .75rem; padding: 0 6px; border-radius: 4px; background: var(--plain-bg); color: var(--plain); } .tag.near { color: var(--near); } .tag.far { color: var(--far); }
.classes { columns: 2 20em; font-size: .85rem; color: var(--soft); margin: 12px 0; padding-left: 2em; }
.columns { display: grid; gap: 8px 40px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
.facts th { color: var(--soft); white-space: nowrap; vertical-align: top; } .facts { width: 100%; }
.stages { width: 100%; } .stages th { white-space: nowrap; } .stages .bar { width: 50%; } .nearness .bar { width: 160px; } .bar span { display: block; height: 12px; border-radius: 2px; background: var(--accent); opacity: .75; }
.times, .aside { color: var(--soft); font-size: .85em; white-space: nowrap; }
footer { margin-top: 56px; color: var(--soft); font-size: .85rem; border-top: 1px solid var(--rule); padding-top: 12px; }
@media (max-width: 640px) {
  main { padding: 18px 14px 48px; } section { margin-top: 34px; }
  .comparisons { min-width: 0; } .comparisons thead { display: none; }
  .comparisons tr { display: grid; grid-template-columns: auto auto 1fr; gap: 2px 10px; padding: 8px 0; border-bottom: 1px solid var(--grid); align-items: baseline; }
  .comparisons th, .comparisons td { border: 0; padding: 0; } .comparisons tbody th { grid-column: 1 / -1; width: auto; }
  .comparisons tfoot tr { padding-top: 0; border: 0; } .comparisons tfoot td:first-child { display: none; }
  .comparisons td.glyph { grid-column: 1 / -1; width: auto; } svg.interval { width: 100%; }
  .operating .range { display: block; }
  .scroll th[scope=row] { position: sticky; left: 0; z-index: 1; min-width: 8em; max-width: 44vw; white-space: normal; background: var(--paper); }
  .scroll .chosen th[scope=row] { background: var(--plain-bg); }
  .tile { flex-basis: 92px; } .tile img { width: 92px; height: 92px; }
}
@media print {
  :root { --paper: #fff; --panel: #f6f7f9; --ink: #000; --soft: #444; --rule: #bbb; --grid: #ddd; --known: #0072b2; --near: #d55e00; --far: #8a6fb0; --accent: #0072b2;
    --good: #00664c; --good-bg: #fff; --bad: #9a3300; --bad-bg: #fff; --plain: #333; --plain-bg: #eee; --note-bg: #fff; --note: #333;
    ${armColours("paper")}
  }
  body { font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; } main { max-width: none; padding: 0; } nav { display: none; }
  h2, h3, h4 { break-after: avoid; } details::details-content { content-visibility: visible; block-size: auto; } summary { display: none; }
  .tiles { flex-wrap: wrap; overflow: visible; } .scroll { overflow: visible; } section, .strip, .question, figure, tr { break-inside: avoid; } section { break-inside: auto; }
}
`;
