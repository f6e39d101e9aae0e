/** What pages for people do alike: an answer's place on the page, and photos that are chosen or dropped. */
export const PAGE_SCRIPT = `
const byId = (id) => document.getElementById(id);
const percent = (value) => (100 * value).toFixed(1) + " %";
// A line for an answer about some photos, on top, with what will be said of them.
function newAnswer(files) {
  const box = document.createElement("div");
  box.className = "answer";
  for (const file of files.slice(0, 8)) {
    const picture = new Image();
    picture.src = URL.createObjectURL(file);
    picture.alt = file.name;
    box.append(picture);
  }
  const text = document.createElement("div");
  text.textContent = "…";
  box.append(text);
  byId("answers").prepend(box);
  return { box, text };
}
function onFiles(take) {
  byId("files").addEventListener("change", (event) => { take(event.target.files); event.target.value = ""; });
  byId("drop").addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
  byId("drop").addEventListener("dragleave", () => byId("drop").classList.remove("over"));
  byId("drop").addEventListener("drop", (event) => { event.preventDefault(); byId("drop").classList.remove("over"); take(event.dataTransfer.files); });
}
`;
