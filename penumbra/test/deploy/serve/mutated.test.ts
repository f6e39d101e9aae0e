import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Random } from "@penumbra/torch/random";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SERVICE_DEFAULTS, type Service, startService } from "../../../src/deploy/index.ts";
import { photo, writeClassifier } from "../tiny-classifier.ts";

/** How many bodies are sent: `PENUMBRA_MUTATED_BODIES=10000 npx vitest run penumbra/test/deploy/serve/mutated.test.ts`. */
const BODIES = Number(process.env.PENUMBRA_MUTATED_BODIES ?? 300);
/** All that a body may be answered with: a verdict, or a refusal that says why. */
const ANSWERS = new Set([200, 400, 404, 405, 413, 415, 422, 429, 431, 503]);

let root = "";
let service: Service;
let images: Buffer[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "penumbra-mutated-"));
  await writeClassifier(join(root, "shades"));
  service = await startService([join(root, "shades")], {
    ...{ ...SERVICE_DEFAULTS, port: 0, maxBody: 100_000, maxPixels: 1_000_000, maxViews: 4, timeoutMs: 5000 },
  });
  const picture = sharp(await photo(1, 1)).resize(40, 40);
  images = await Promise.all([
    ...(["png", "jpeg", "webp", "gif", "tiff"] as const).map((format) =>
      picture.clone().toFormat(format).toBuffer(),
    ),
    // Few bytes, many pixels.
    sharp({ create: { width: 4000, height: 4000, channels: 3, background: "white" } })
      .png({ compressionLevel: 9 })
      .toBuffer()
      .then((bytes) => bytes.subarray(0, 90_000)),
  ]);
}, 60_000);
afterAll(async () => {
  await service.close();
  rmSync(root, { recursive: true, force: true });
});

type Sent = {
  readonly path: string;
  readonly body: Uint8Array | FormData;
  readonly headers: Record<string, string>;
};

const NAMES = ["../../etc/passwd", "a\u0000b.png", "C:\\x.png", "%2e%2e/x", "x".repeat(300), ""];
const TYPES = [
  "image/png",
  "image/jpeg",
  "application/octet-stream",
  "multipart/form-data",
  "multipart/form-data; boundary=",
  "application/json",
  "",
  "image/../../x",
];
const PATHS = [
  "/predict",
  "/predict?model=shades",
  "/predict?model=../shades",
  "/predict?neighbours=3",
  "/predict?neighbours=-1",
  "/v2/models/shades/infer",
  "/v2/models/%2e%2e/infer",
  "/models/shades/gallery/-1",
];

/** One of the bodies that a broken or hostile client might send. */
function mutated(random: Random): Sent {
  const pick = <T>(items: readonly T[]): T => items[random.int(items.length)]!;
  const image = Uint8Array.from(pick(images));
  const changes = random.int(12);
  for (let i = 0; i < changes; i++) image[random.int(image.length)] = random.int(256);
  const cut = image.subarray(0, random.int(3) === 0 ? random.int(image.length) : image.length);
  const path = pick(PATHS);
  switch (random.int(5)) {
    case 0: {
      const form = new FormData();
      const files = 1 + random.int(6);
      for (let i = 0; i < files; i++)
        form.append(pick(["image", "x", "__proto__"]), new Blob([cut]), pick(NAMES));
      if (random.int(3) === 0) form.append("image", "text");
      return { path, body: form, headers: {} };
    }
    case 1: {
      // A protocol v2 body with wrong shapes, types and lengths.
      const json = JSON.stringify({
        id: pick(NAMES),
        inputs: pick<unknown>([
          [
            {
              name: "image",
              shape: [pick([1, 2, -1, 1e9])],
              datatype: pick(["BYTES", "UINT8", "FP32", "x"]),
              data: pick<unknown>([[Buffer.from(cut).toString("base64")], [], [1, 2], "x", null]),
            },
          ],
          [
            {
              name: "image",
              shape: [9, 9, 3],
              datatype: "UINT8",
              data: Array(random.int(300)).fill(pick([0, 255, 256, -1, 0.5, "x"])),
            },
          ],
          {},
          null,
        ]),
      });
      return {
        path: "/v2/models/shades/infer",
        body: Buffer.from(json.slice(0, random.int(4) === 0 ? random.int(json.length) : json.length)),
        headers: { "content-type": "application/json" },
      };
    }
    case 2:
      return {
        path,
        body: new Uint8Array(random.int(120_000)).fill(random.int(256)),
        headers: { "content-type": pick(TYPES) },
      };
    default:
      return {
        path,
        body: cut,
        headers: {
          "content-type": pick(TYPES),
          ...(random.int(4) === 0 && { authorization: pick(NAMES).replaceAll(/[^\x20-\x7e]/g, "?") }),
        },
      };
  }
}

it(`answers ${BODIES} mutated bodies with a verdict or a refusal, and works on as before`, async () => {
  const random = new Random("bodies");
  const counts = new Map<number, number>();
  const atOnce = 8;
  for (let sent = 0; sent < BODIES; sent += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, BODIES - sent) }, () => mutated(random));
    await Promise.all(
      some.map(async ({ path, body, headers }) => {
        const response = await fetch(`${service.url}${path}`, {
          method: "POST",
          body: body as RequestInit["body"],
          headers,
        });
        const text = await response.text();
        expect({ path, status: response.status, isAnswer: ANSWERS.has(response.status), text }).toMatchObject(
          { isAnswer: true },
        );
        if (response.status !== 200) expect(text.length).toBeGreaterThan(10);
        counts.set(response.status, 1 + (counts.get(response.status) ?? 0));
      }),
    );
  }
  expect([...counts.keys()].length).toBeGreaterThan(3);
  const whole = await fetch(`${service.url}/predict`, {
    method: "POST",
    body: new Uint8Array(images[0]!),
    headers: { "content-type": "image/png" },
  });
  expect(whole.status).toBe(200);
}, 600_000);

it("outlives requests whose lengths are wrong and connections that break off", async () => {
  const { hostname, port } = new URL(service.url);
  const head = (lines: readonly string[]) =>
    `POST /predict HTTP/1.1\r\nHost: x\r\n${lines.join("\r\n")}\r\n\r\n`;
  const bodies = [
    `${head(["content-type: image/png", "content-length: 5000"])}too short`,
    `${head(["content-type: image/png", "content-length: -1"])}x`,
    `${head(["content-type: image/png", "content-length: 3"])}longer than said`,
    `${head(["content-type: image/png", "transfer-encoding: chunked"])}zz\r\nx`,
    `${head(["content-type: image/png", "content-length: 99999999999"])}x`,
    `${head([`x-long: ${"y".repeat(100_000)}`])}`,
    "no HTTP at all\r\n\r\n",
  ];
  await Promise.all(
    bodies.map(
      (text) =>
        new Promise<void>((done) => {
          const socket = connect(Number(port), hostname, () => socket.write(text));
          socket
            .on("error", () => {})
            .on("close", () => done())
            .resume();
          setTimeout(() => socket.destroy(), 300);
        }),
    ),
  );
  const whole = await fetch(`${service.url}/predict`, {
    method: "POST",
    body: new Uint8Array(images[0]!),
    headers: { "content-type": "image/png" },
  });
  expect(whole.status).toBe(200);
});
