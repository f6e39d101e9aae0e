import { escaped, PAGE_SCRIPT, PAGE_STYLE } from "../page/index.ts";

/** The page for people: drop photos, see verdicts. Nothing is loaded from anywhere else. */
export function pageOf(models: readonly string[]): string {
  const options = models.map((name) => `<option>${escaped(name)}</option>`).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Penumbra</title><style>${STYLE}</style></head><body>
<h1>Penumbra</h1>
<p><label>Classifier <select id="model">${options}</select></label>
<label><input type="checkbox" id="views"> the photos are views of one object</label></p>
<label id="drop">Drop photos here, or choose them<input type="file" id="files" accept="image/*" multiple></label>
<div id="answers" aria-live="polite"></div>
<p><a href="openapi.json">API</a> · <a href="metrics">metrics</a></p>
<script>${SCRIPT}</script></body></html>`;
}

const STYLE = `${PAGE_STYLE}
.answer .like { display: flex; gap: .25rem; margin-left: auto } .answer .like img { width: 48px; height: 48px }`;

const SCRIPT = `${PAGE_SCRIPT}async function judge(files) {
  const { box, text } = newAnswer(files);
  const form = new FormData();
  for (const file of files) form.append("image", file);
  const token = sessionStorage.getItem("token");
  const headers = token ? { authorization: "Bearer " + token } : {};
  const model = encodeURIComponent(byId("model").value);
  const response = await fetch("predict?neighbours=5&model=" + model, { method: "POST", body: form, headers });
  const answer = await response.json();
  if (response.status === 401) {
    const given = prompt("This service asks for a token");
    if (given) { sessionStorage.setItem("token", given); box.remove(); return judge(files); }
  }
  text.textContent = "";
  const line = (className, content) => {
    const element = document.createElement(className ? "div" : "small");
    element.className = className;
    element.textContent = content;
    text.append(element);
  };
  if (!response.ok) return line("verdict", answer.error);
  if (answer.isUnknown) box.classList.add("unknown");
  line("verdict", answer.isUnknown ? "unknown, resembles " + answer.className : answer.className + "  " + percent(answer.confidence));
  const like = document.createElement("div");
  like.className = "like";
  for (const neighbour of answer.neighbours) {
    const picture = new Image();
    picture.alt = picture.title = "resembles " + neighbour.id + ", " + neighbour.similarity.toFixed(3);
    like.append(picture);
    fetch("models/" + model + "/gallery/" + neighbour.number, { headers })
      .then((found) => found.blob())
      .then((blob) => { picture.src = URL.createObjectURL(blob); });
  }
  box.append(like);
  line("", "p " + answer.pValue.toFixed(3) + " · " + answer.classes.slice(0, 3).map((item) => item.className + " " + percent(item.probability)).join(", "));
}
function take(list) {
  const files = [...list];
  if (files.length === 0) return;
  if (byId("views").checked) judge(files);
  else for (const file of files) judge([file]);
}
onFiles(take);
`;
