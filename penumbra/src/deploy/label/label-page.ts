/** The page on which unknowns are named. Nothing is loaded from anywhere else; every part is reached by the keyboard. */
export const LABEL_PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Penumbra: name unknowns</title><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --rule: #8884; --mark: #d55e00; --focus: #0072b2; --quiet: #666 }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa } }
body { max-width: 68rem; margin: 1.5rem auto 6rem; padding: 0 1rem }
h1 { font-size: 1.3rem; margin: 0 } header p { margin: .3rem 0; color: var(--quiet); max-width: 46rem }
.group { border-top: 1px solid var(--rule); padding: .8rem 0 } .group h2 { font-size: 1rem; margin: 0 0 .4rem }
.objects { display: flex; flex-wrap: wrap; gap: .4rem; padding: 0; margin: 0 0 .5rem; list-style: none }
.objects button { all: unset; cursor: pointer; display: flex; gap: 2px; border: 3px solid transparent; border-radius: 6px; padding: 2px }
.objects button[aria-pressed=false] { opacity: .3 } .objects img { width: 88px; height: 88px; object-fit: contain; background: #8882; border-radius: 4px }
button:focus-visible, input:focus-visible { outline: 3px solid var(--focus) !important; outline-offset: 1px }
form { display: flex; gap: .5rem; flex-wrap: wrap } input[type=text] { font: inherit; padding: .25rem .5rem; min-width: 16rem }
form button, header button { font: inherit; padding: .25rem .8rem } #said { position: fixed; left: 0; right: 0; bottom: 0; background: Canvas; border-top: 1px solid var(--rule); padding: .5rem 1rem; min-height: 1.5em }
#said.bad { color: var(--mark) } small { color: var(--quiet) }
</style></head><body>
<header><h1>Name unknowns</h1>
<p>Each group looks alike to the classifier. Give it a name and press Enter: its objects move into the folder of that class. Space on a picture leaves an object out of its group.</p>
<p><label>finer <input id="distance" type="range" min="0" max="3" step="0.05" value="1" aria-label="How alike the objects of a group are"> coarser</label>
<button id="refresh" type="button">Look again</button> <small id="about"></small></p></header>
<main id="groups"></main><datalist id="classes"></datalist>
<div id="said" role="status" aria-live="polite"></div>
<script>
const byId = (id) => document.getElementById(id);
let usual = 0;
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
function say(text, isBad) { byId("said").textContent = text; byId("said").className = isBad ? "bad" : ""; }
async function ask(path, options) {
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
function picture(object, view) {
  return make("img", { src: "pictures/" + encodeURIComponent(object.name) + "/" + view, alt: object.name + ", view " + (view + 1), loading: "lazy" });
}
function objectItem(object) {
  const button = make("button", { type: "button", title: object.name + ": p " + object.pValue.toFixed(3) + ", resembles " + object.resembles }, ...Array.from({ length: Math.min(4, object.views) }, (_, view) => picture(object, view)));
  button.dataset.name = object.name;
  button.setAttribute("aria-pressed", "true");
  button.addEventListener("click", () => button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true")));
  return make("li", {}, button);
}
function groupPart(group, index) {
  const counts = {};
  for (const { resembles } of group.objects) counts[resembles] = (counts[resembles] ?? 0) + 1;
  const [like] = Object.entries(counts).sort((a, b) => b[1] - a[1])[0];
  const size = group.objects.length;
  const input = make("input", { type: "text", required: true, autocomplete: "off" });
  input.setAttribute("aria-label", "Name of group " + (index + 1));
  input.setAttribute("list", "classes");
  const form = make("form", {}, input, make("button", {}, "Move"));
  const part = make("section", { className: "group" }, make("h2", {}, (size === 1 ? "1 object" : size + " objects") + ", most like " + like), make("ul", { className: "objects" }, ...group.objects.map(objectItem)), form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const objects = [...part.querySelectorAll("button[aria-pressed=true]")].map(({ dataset }) => dataset.name);
    if (objects.length === 0) return say("No object of this group is chosen.", true);
    try {
      const { moved, folder } = await ask("name", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ className: input.value.trim(), objects }) });
      await show(index);
      say((moved === 1 ? "1 object" : moved + " objects") + " moved to " + folder);
    } catch (error) { say(error.message, true); }
  });
  return part;
}
async function show(focus) {
  const answer = await ask("groups" + (usual > 0 ? "?distance=" + usual * byId("distance").value : ""));
  usual = answer.usualDistance;
  byId("classes").replaceChildren(...answer.classes.map((value) => make("option", { value })));
  byId("groups").replaceChildren(...answer.groups.map(groupPart));
  const objects = answer.groups.reduce((sum, group) => sum + group.objects.length, 0);
  byId("about").textContent = objects + " objects in " + answer.groups.length + " groups; classes go to " + answer.into + (answer.left > 0 ? "; " + answer.left + " older ones wait" : "");
  if (objects === 0) say("Nothing is left to name.");
  const inputs = document.querySelectorAll("form input");
  if (focus !== undefined && inputs.length > 0) inputs[Math.min(focus, inputs.length - 1)].focus();
}
byId("distance").addEventListener("change", () => show().catch((error) => say(error.message, true)));
byId("refresh").addEventListener("click", async () => { say("…"); await ask("refresh", { method: "POST" }); await show(0); say(""); });
show(0).catch((error) => say(error.message, true));
</script></body></html>`;
