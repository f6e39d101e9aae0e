// `node --import tsx --conditions=source bench/pages.ts MODEL PHOTO OTHER --out FOLDER [--chromium chromium]`: the pages for
// people in headless Chromium, the service's and the exported one: photos that are dropped, several views of one object
// (PHOTO and OTHER), a camera that shows PHOTO, in light and dark. Says of each step whether it does what it should, keeps
// pictures in FOLDER, and ends with 1 where one does not.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import {
  exportWebPage,
  loadClassifier,
  SERVICE_DEFAULTS,
  startService,
  type Verdict,
} from "../penumbra/src/deploy/index.ts";
import { Browser } from "./doors/browser.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string" }, chromium: { type: "string", default: "chromium" } },
});
const [model, ...photos] = positionals;
const { out } = values;
if (!model || photos.length !== 2 || out === undefined) {
  process.stderr.write("Give the classifier, two photos, and --out FOLDER.\n");
  process.exit(2);
}

const TYPES: Readonly<Record<string, string>> = {
  ...{
    ".html": "text/html",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
  },
};
/** Least contrast of words with their ground (WCAG 2.2, level AA). */
const CONTRAST = 4.5;

await mkdir(out, { recursive: true });
const [first, second] = (await Promise.all(photos.map((photo) => readFile(photo)))) as [Buffer, Buffer];
using classifier = loadClassifier(model);
const frame = await sharp(first).resize(640, 480, { fit: "fill" }).jpeg({ quality: 95 }).toBuffer();
const [one, both] = (await classifier.predict([first, [first, second]])) as [Verdict, Verdict];
const page = join(resolve(out), "page");
await exportWebPage(model, { out: page });
const files = createServer(async (request, response) => {
  const path = request.url === "/" ? "/index.html" : request.url!;
  const body = await readFile(join(page, path)).catch(() => undefined);
  if (!body) response.writeHead(404).end();
  else response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream").end(body);
});
const service = await startService([model], { ...SERVICE_DEFAULTS, port: 0 });
const camera = join(resolve(out), "camera.mjpeg");
await writeFile(camera, Buffer.concat(Array.from({ length: 30 }, () => frame)));
const browser = await Browser.start(values.chromium, [
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-video-capture=${camera}`,
]);
let isSound = true;
const check = (what: string, is: boolean, told: string) => {
  process.stdout.write(`${is ? "ok    " : "WRONG "} ${what}: ${told}\n`);
  isSound &&= is;
};

/** A frame of the camera, as the page sees it, and what the page says of it. */
interface Seen {
  readonly width: number;
  readonly height: number;
  /** Base64. */
  readonly data: string;
  readonly className: string;
  readonly confidence: number;
}
const SEEN = `(async () => {
  const { judge, pixelsOf } = await import("./judge.mjs");
  const photo = await pixelsOf(document.getElementById("video"));
  const { className, confidence } = await judge(photo);
  const { width, height, data } = photo;
  let text = "";
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return { width, height, data: btoa(text), className, confidence };
})()`;

/** Drops files where photos are dropped. */
const dropping = (some: readonly Buffer[]) => `(() => {
  const data = new DataTransfer();
  for (const [i, text] of ${JSON.stringify(some.map((file) => file.toString("base64")))}.entries())
    data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], i + ".jpg", { type: "image/jpeg" }));
  const drop = document.getElementById("drop");
  for (const type of ["dragover", "drop"]) drop.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
})()`;

/** The least contrast of the words on the page with its ground, and where it is. */
const LEAST_CONTRAST = `(() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const rgb = (colour) => { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (colour) => rgb(colour).slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "#ffffff";
  return [...document.querySelectorAll("h1, p, label, .verdict, small, figcaption")].filter((e) => e.textContent.trim() !== "").map((e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(ground)];
    return { what: e.className || e.tagName, value: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) };
  }).sort((a, b) => a.value - b.value)[0];
})()`;

async function looks(name: string): Promise<void> {
  for (const scheme of ["light", "dark"] as const) {
    await browser.send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
    const { what, value } = await browser.evaluate<{ what: string; value: number }>(LEAST_CONTRAST);
    check(`${name}, ${scheme}`, value >= CONTRAST, `least contrast ${value.toFixed(1)} (${what})`);
    await writeFile(join(out!, `${name}-${scheme}.png`), await browser.screenshot());
  }
}

/** The latest answer's line, and the words below it. */
const LATEST = `document.querySelector(".answer")`;
const told = (verdict: Verdict) =>
  verdict.isUnknown
    ? `unknown, resembles ${verdict.className}`
    : `${verdict.className}  ${(100 * verdict.confidence).toFixed(1)} %`;

async function judges(name: string): Promise<void> {
  for (const [what, some, wanted] of [
    ["a dropped photo", [first], one],
    ["two views of one object", [first, second], both],
  ] as const) {
    await browser.evaluate(`document.getElementById("views").checked = ${some.length > 1}`);
    await browser.evaluate(dropping(some));
    await browser.until(
      what,
      `${LATEST}?.querySelector(".verdict") && ${LATEST}.querySelectorAll("img[src^=blob]").length >= ${some.length}`,
    );
    const line = await browser.evaluate<string>(`${LATEST}.querySelector(".verdict").textContent`);
    check(`${name}, ${what}`, line === told(wanted), `"${line}"`);
    const details = await browser.evaluate<string>(`${LATEST}.querySelector("small").textContent`);
    check(`${name}, ${what}`, details.startsWith(`p ${wanted.pValue.toFixed(3)}`), `"${details}"`);
  }
}

try {
  await new Promise<void>((done) => void (files as Server).listen(0, "127.0.0.1", done));
  await browser.send("Emulation.setDeviceMetricsOverride", {
    width: 900,
    height: 700,
    deviceScaleFactor: 1,
    mobile: false,
  });

  await browser.send("Page.navigate", { url: `${service.url}/` });
  await browser.until("the service's page is there", `document.readyState === "complete"`);
  await judges("service");
  await looks("service");

  await browser.send("Page.navigate", { url: `http://127.0.0.1:${(files.address() as AddressInfo).port}/` });
  await browser.until(
    "the exported page is there",
    `document.title !== "Penumbra" && document.readyState === "complete"`,
  );
  await judges("export");
  await browser.evaluate(`document.getElementById("camera").click()`);
  await browser.until("the camera's picture is judged", `document.querySelector("#seen .verdict")`);
  // What a camera gives is the browser's (colours, sizes): the verdict must be the library's on those very pixels.
  const seen = await browser.evaluate<Seen>(SEEN);
  const raw = { width: seen.width, height: seen.height, channels: 3 } as const;
  const picture = await sharp(Buffer.from(seen.data, "base64"), { raw }).png().toBuffer();
  const [filmed] = (await classifier.predict([picture])) as [Verdict];
  const isSame = seen.className === filmed.className && Math.abs(seen.confidence - filmed.confidence) < 1e-4;
  check("export, the camera", isSame, `"${told(filmed)}" of ${seen.width} x ${seen.height} pixels`);
  await looks("export");
  await browser.evaluate(`document.getElementById("camera").click()`);
  const isOver = await browser.evaluate<boolean>(`document.getElementById("live").hidden`);
  check("export, the camera stops", isOver, `the picture is ${isOver ? "gone" : "still there"}`);
} finally {
  await browser.close();
  files.close();
  await service.close();
}
if (!isSound) process.exitCode = 1;
