/** A page that runs an exported classifier in the browser: static files, nothing is sent anywhere. */
import { copyFile, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { writeFileAtomic, writeFolderAsync } from "../../files/index.ts";
import { DeployError, readClassifierInfo } from "../classifier/index.ts";
import { escaped, PAGE_SCRIPT, PAGE_STYLE } from "../page/index.ts";
import { type Exported, type ExportOptions, exportOnnx } from "./export-onnx.ts";
import { readMetadata } from "./onnx/metadata.ts";

const PACKAGE = "onnxruntime-web";
/** What of the package a browser loads: the script with WebAssembly's glue in it, and the code itself. */
const RUNTIME_FILES = ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"] as const;

export interface WebExportOptions extends Omit<ExportOptions, "out"> {
  /** The folder that is made, in place of one that is there. */
  readonly out: string;
}

/**
 * Writes a page, whole or not at all, that judges dropped photos and what a camera sees with the exported classifier. Any
 * server of static files can serve the folder; the photos stay in the browser.
 *
 * @param folder the classifier, such as models/parts
 * @throws DeployError as {@link exportOnnx}, and where the package onnxruntime-web is not installed
 */
export async function exportWebPage(
  folder: string,
  { out, ...options }: WebExportOptions,
): Promise<Exported> {
  const runtime = runtimeFolder();
  const { name } = readClassifierInfo(folder);
  let exported: Exported | undefined;
  await writeFolderAsync(out, async (aside) => {
    const file = join(aside, "model.onnx");
    exported = await exportOnnx(folder, { ...options, out: file });
    const about = aboutOf(name, await readFile(file));
    await Promise.all(RUNTIME_FILES.map((file) => copyFile(join(runtime, file), join(aside, file))));
    await writeFileAtomic(join(aside, "model.json"), `${JSON.stringify(about)}\n`);
    await writeFileAtomic(join(aside, "judge.mjs"), JUDGE);
    await writeFileAtomic(join(aside, "index.html"), pageOf(about));
  });
  return { ...exported!, file: out };
}

function runtimeFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/wasm`));
  } catch (cause) {
    throw new DeployError(
      `The page runs the classifier with ${PACKAGE}, which is not installed. Install it: npm install ${PACKAGE}`,
      { cause },
    );
  }
}

/** What the page tells of the classifier, from the file's metadata: onnxruntime-web does not give them. */
interface About {
  readonly name: string;
  readonly classes: readonly string[];
  readonly level: number;
  /** Of objects of 1, 2, … views; the last one of those with more. */
  readonly temperatures: readonly number[];
}

function aboutOf(name: string, model: Uint8Array): About {
  const { classes, level, temperaturesByViews } = readMetadata(model);
  return {
    ...{ name, classes: JSON.parse(classes!), level: Number(level) },
    temperatures: JSON.parse(temperaturesByViews!),
  };
}

function pageOf({ name, classes }: About): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(name)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(name)}</h1>
<p>Knows ${classes.map(escaped).join(", ")}, and says <em>unknown</em> of what is none of them. Photos stay on this device.</p>
<p><label><input type="checkbox" id="views"> the photos are views of one object</label></p>
<label id="drop">Drop photos here, or choose them<input type="file" id="files" accept="image/*" multiple></label>
<p><button id="camera" type="button">Use the camera</button></p>
<figure id="live" hidden><video id="video" playsinline muted></video><figcaption id="seen" aria-live="polite"></figcaption></figure>
<div id="answers" aria-live="polite"></div>
<script type="module">${SCRIPT}</script></body></html>
`;
}

/** A module for other pages too: `pixelsOf` a file, image or video, and `judge` of pixels. */
const JUDGE = `import * as ort from "./ort.wasm.bundle.min.mjs";

ort.env.wasm.wasmPaths = { wasm: new URL("./ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.wasm.numThreads = 1; // more need headers that static servers rarely send

/** Name, classes, level and temperatures of the classifier. */
export const about = await (await fetch(new URL("./model.json", import.meta.url))).json();
const session = await ort.InferenceSession.create(new URL("./model.onnx", import.meta.url).href);

/** Red, green and blue of each pixel of a file, image, video or canvas; what is transparent is white. */
export async function pixelsOf(source) {
  const image = await createImageBitmap(source, { imageOrientation: "from-image", colorSpaceConversion: "default" });
  const { width, height } = image;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  image.close();
  const { data: rgba } = context.getImageData(0, 0, width, height);
  const data = new Uint8Array(3 * width * height);
  for (let i = 0, to = 0; to < data.length; i += 4, to += 3) {
    data[to] = rgba[i];
    data[to + 1] = rgba[i + 1];
    data[to + 2] = rgba[i + 2];
  }
  return { data, width, height };
}

/** Photos of one size as the model's input. */
function asInput(photos) {
  const [{ width, height }] = photos;
  const data = new Uint8Array(photos.length * 3 * width * height);
  photos.forEach((photo, i) => data.set(photo.data, i * photo.data.length));
  return new ort.Tensor("uint8", data, [photos.length, height, width, 3]);
}

/** A photo as the model itself resizes it. */
async function resized(photo) {
  const { resized: tensor } = await session.run({ images: asInput([photo]) }, ["resized"]);
  const [, height, width] = tensor.dims;
  const data = tensor.data.slice();
  tensor.dispose();
  return { data, width, height };
}

/** What the classifier says of an object by the pixels of its photos, one or more; classes by falling probability. */
export async function judge(...photos) {
  let views = photos;
  if (photos.some(({ width, height }) => width !== photos[0].width || height !== photos[0].height)) {
    views = [];
    for (const photo of photos) views.push(await resized(photo));
  }
  const images = asInput(views);
  const outputs = await session.run({ images });
  const temperature = about.temperatures[Math.min(photos.length, about.temperatures.length) - 1];
  const scaled = Array.from(outputs.objectLogits.data, (logit) => logit / temperature);
  const highest = Math.max(...scaled);
  const exponentials = scaled.map((value) => Math.exp(value - highest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  const answer = {
    views: photos.length,
    className: about.classes[Number(outputs.objectClass.data[0])],
    isUnknown: Boolean(outputs.objectIsUnknown.data[0]),
    confidence: outputs.objectConfidence.data[0],
    unknownScore: outputs.objectUnknownScore.data[0],
    classes: about.classes
      .map((className, i) => ({ className, probability: exponentials[i] / sum }))
      .sort((a, b) => b.probability - a.probability),
  };
  for (const output of Object.values(outputs)) output.dispose();
  return answer;
}
`;

const SCRIPT = `${PAGE_SCRIPT}// Photos may be dropped before the classifier is there: they wait for it.
const engine = import("./judge.mjs");
engine.catch((error) => byId("answers").prepend("The classifier cannot be loaded: " + error.message));
const verdictOf = ({ isUnknown, className, confidence }) => isUnknown ? "unknown, resembles " + className : className + "  " + percent(confidence);
const detailsOf = ({ unknownScore, classes }) => "p " + (1 - unknownScore).toFixed(3) + " · " + classes.slice(0, 3).map((item) => item.className + " " + percent(item.probability)).join(", ");
function show(element, answer) {
  element.classList.toggle("unknown", answer.isUnknown);
  element.replaceChildren(...[["div", "verdict", verdictOf(answer)], ["small", "", detailsOf(answer)]].map(([tag, className, text]) => {
    const line = document.createElement(tag);
    line.className = className;
    line.textContent = text;
    return line;
  }));
}
async function take(files) {
  const { text } = newAnswer(files);
  try {
    const { judge, pixelsOf } = await engine;
    const photos = [];
    for (const file of files) photos.push(await pixelsOf(file));
    show(text, await judge(...photos));
  } catch (error) {
    text.textContent = files.map((file) => file.name).join(", ") + " cannot be judged: " + error.message;
  }
}
async function takeAll(list) {
  const files = [...list];
  if (files.length === 0) return;
  if (byId("views").checked) await take(files);
  else for (const file of files) await take([file]);
}
let stream;
async function look() {
  const { judge, pixelsOf } = await engine;
  while (stream) {
    show(byId("seen"), await judge(await pixelsOf(byId("video"))));
    await new Promise((done) => setTimeout(done, 200));
  }
}
byId("camera").addEventListener("click", async () => {
  if (stream) {
    for (const track of stream.getTracks()) track.stop();
    stream = undefined;
  } else {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      byId("video").srcObject = stream;
      await byId("video").play();
      look();
    } catch (error) {
      stream = undefined;
      byId("answers").prepend("The camera cannot be used: " + error.message);
    }
  }
  byId("live").hidden = !stream;
  byId("camera").textContent = stream ? "Stop the camera" : "Use the camera";
});
onFiles(takeAll);
`;

const STYLE = `${PAGE_STYLE}
figure { margin: 1rem 0; display: inline-block } video { max-width: 100%; border-radius: 8px }`;
