/** A classifier's page in headless Chromium: serves the folder, opens a page that judges photos with it, takes the answers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { text } from "node:stream/consumers";
import type { Answer } from "./answer.ts";

const TYPES: Readonly<Record<string, string>> = {
  ...{ ".html": "text/html", ".mjs": "text/javascript", ".wasm": "application/wasm" },
  ".json": "application/json",
};

const asPage = (views: readonly number[]) => `<!doctype html><script type="module">
const post = (what, value) => fetch("/answers/" + what, { method: "POST", body: JSON.stringify(value) });
try {
  const { judge, pixelsOf } = await import("/judge.mjs");
  const answers = [];
  let next = 0;
  for (const count of ${JSON.stringify(views)}) {
    const photos = [];
    for (let i = 0; i < count; i++)
      photos.push(await pixelsOf(await (await fetch("/photos/" + next++)).blob()));
    answers.push(await judge(...photos));
  }
  await post("done", answers);
} catch (error) {
  await post("failed", String(error.stack ?? error));
}
</script>`;

/** What the page in `folder`, as `penumbra export --web` makes it, says of objects by their photos. @throws Error where it fails */
export async function judgeInChromium(
  folder: string,
  objects: readonly (readonly string[])[],
  chromium: string,
): Promise<Answer[]> {
  let settle: (answers: Promise<Answer[]>) => void = () => {};
  const photos = objects.flat();
  const answers = new Promise<Answer[]>((resolve) => {
    settle = resolve;
  });
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url!, "http://x").pathname));
    const respond = (body: Buffer | string, type: string) =>
      response.setHeader("content-type", type).end(body);
    try {
      if (path.startsWith("/answers/")) {
        const value: unknown = JSON.parse(await text(request));
        respond("", "text/plain");
        const isDone = path.endsWith("done");
        settle(
          isDone ? Promise.resolve(value as Answer[]) : Promise.reject(new Error(`In Chromium: ${value}`)),
        );
      } else if (path === "/doors") respond(asPage(objects.map(({ length }) => length)), "text/html");
      else if (path.startsWith("/photos/"))
        respond(await readFile(photos[Number(path.slice(8))]!), "application/octet-stream");
      else respond(await readFile(join(folder, path)), TYPES[extname(path)] ?? "application/octet-stream");
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const profile = await mkdtemp(join(tmpdir(), "penumbra-chromium-"));
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`];
  const browser = spawn(chromium, [...flags, `http://127.0.0.1:${port}/doors`], { stdio: "ignore" });
  browser.once("error", (cause) => settle(Promise.reject(cause)));
  browser.once("exit", (code) => settle(Promise.reject(new Error(`Chromium ended with ${code}.`))));
  try {
    return await answers;
  } finally {
    browser.removeAllListeners();
    if (browser.exitCode === null && browser.kill()) await once(browser, "exit");
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
