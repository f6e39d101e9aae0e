import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Classifier,
  loadClassifier,
  type RequestEntry,
  SERVICE_DEFAULTS,
  type Service,
  startService,
  type Verdict,
} from "../../../src/deploy/index.ts";
import { noise, photo, writeClassifier } from "../tiny-classifier.ts";

let root = "";
let service: Service;
let classifier: Classifier;
const log: RequestEntry[] = [];

interface InferAnswer {
  id: string;
  model_name: string;
  outputs: { name: string; data: unknown[] }[];
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "penumbra-service-"));
  const folder = join(root, "shades");
  await writeClassifier(folder);
  classifier = loadClassifier(folder);
  service = await startService([folder], {
    ...{ ...SERVICE_DEFAULTS, port: 0, maxBody: 200_000, maxPixels: 10_000, maxViews: 4 },
    ...{ keepUnknown: join(root, "kept"), onRequest: (entry) => log.push(entry) },
  });
}, 60_000);
afterAll(async () => {
  await service.close();
  classifier.dispose();
  rmSync(root, { recursive: true, force: true });
});

const post = (path: string, body: RequestInit["body"], headers: Record<string, string> = {}) =>
  fetch(`${service.url}${path}`, { method: "POST", body, headers });
const postImage = (image: Buffer) => post("/predict", new Uint8Array(image), { "content-type": "image/png" });

describe("POST /predict", () => {
  it("gives the verdict of the library, by raw image and by form", async () => {
    const image = await photo(1, 900);
    const [expected] = await classifier.predict([image]);
    const raw = await postImage(image);
    expect(raw.status).toBe(200);
    expect(await raw.json()).toEqual({ model: "shades", verdict: "light", ...expected });
    const form = new FormData();
    form.append("image", new Blob([new Uint8Array(image)]), "a.png");
    expect(await (await post("/predict?model=shades", form)).json()).toMatchObject({ ...expected });
  });

  it("takes the files of a form as views of one object", async () => {
    const views = await Promise.all([photo(0, 901), photo(0, 902)]);
    const [expected] = await classifier.predict([views]);
    const form = new FormData();
    for (const view of views) form.append("image", new Blob([new Uint8Array(view)]), "view.png");
    expect(await (await post("/predict", form)).json()).toMatchObject({ views: 2, score: expected!.score });
  });

  it("loses no request of a hundred at once, and gives each its own verdict", async () => {
    const images = await Promise.all(Array.from({ length: 100 }, (_, i) => photo(i % 3, 1000 + i)));
    const expected = await classifier.predict(images);
    const answers = await Promise.all(
      images.map(async (image) => (await (await postImage(image)).json()) as Verdict),
    );
    for (const [i, answer] of answers.entries()) {
      expect(answer.className).toBe(expected[i]!.className);
      expect(answer.score / expected[i]!.score).toBeCloseTo(1, 4); // fp32 rounds by batch
    }
  });

  it("keeps the photos of unknown objects where it is told to", async () => {
    await postImage(await noise());
    const folders = readdirSync(join(root, "kept"));
    expect(readdirSync(join(root, "kept", folders.at(-1)!))).toEqual(["0.png"]);
  });

  it("refuses with the status that says why", async () => {
    const image = await photo(0, 910);
    const status = async (response: Promise<Response>) => (await response).status;
    expect(await status(post("/predict", "{}", { "content-type": "application/json" }))).toBe(415);
    expect(await status(post("/predict", "no image", { "content-type": "image/png" }))).toBe(415);
    expect(await status(post("/predict", "", { "content-type": "image/png" }))).toBe(400);
    expect(
      await status(post("/predict", new Uint8Array(image.subarray(0, 60)), { "content-type": "image/png" })),
    ).toBe(422);
    expect(await status(post("/predict", new Uint8Array(300_000), { "content-type": "image/png" }))).toBe(
      413,
    );
    const large = await sharp({ create: { width: 200, height: 200, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    expect(await status(postImage(large))).toBe(413);
    const form = new FormData();
    for (let i = 0; i < 5; i++) form.append("image", new Blob([new Uint8Array(image)]), "view.png");
    expect(await status(post("/predict", form))).toBe(413);
    expect(await status(post("/predict", new FormData()))).toBe(400);
    expect(
      await status(post("/predict?model=other", new Uint8Array(image), { "content-type": "image/png" })),
    ).toBe(404);
    expect(await status(fetch(`${service.url}/nothing`))).toBe(404);
  });

  it("tells the training photos that an object resembles, where asked, and shows them", async () => {
    const image = await photo(1, 1); // a training photo
    const answer = (await (
      await post("/predict?neighbours=2", new Uint8Array(image), { "content-type": "image/png" })
    ).json()) as { neighbours: { number: number; id: string; similarity: number }[] };
    expect(answer.neighbours.map(({ id }) => id)).toEqual(["light/1.png", expect.stringMatching(/^light/)]);
    expect(answer.neighbours[0]!.similarity).toBeCloseTo(1, 4);
    const picture = await fetch(`${service.url}/models/shades/gallery/${answer.neighbours[0]!.number}`);
    expect(Buffer.from(await picture.arrayBuffer())).toEqual(image);
    expect((await fetch(`${service.url}/models/shades/gallery/999`)).status).toBe(404);
    expect(
      (await post("/predict?neighbours=x", new Uint8Array(image), { "content-type": "image/png" })).status,
    ).toBe(400);
  });

  it("answers any mutated image with a verdict or a refusal, never with a fault of its own", async () => {
    const image = await photo(2, 920);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(image.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(image.length),
        async (changes, length) => {
          const mutated = new Uint8Array(image.subarray(0, length));
          for (const [at, value] of changes) if (at < length) mutated[at] = value;
          const { status } = await post("/predict", mutated, { "content-type": "image/png" });
          expect([200, 400, 413, 415, 422]).toContain(status);
        },
      ),
      { numRuns: 60 },
    );
    expect((await postImage(image)).status).toBe(200);
  });
});

describe("the Open Inference Protocol", () => {
  it("tells that it is ready, what a model takes, and its verdicts", async () => {
    expect((await fetch(`${service.url}/v2/health/ready`)).status).toBe(200);
    const about = (await (await fetch(`${service.url}/v2/models/shades`)).json()) as {
      outputs: { name: string }[];
    };
    expect(about.outputs.map(({ name }) => name)).toEqual([
      ...["class", "confidence", "unknownScore", "isUnknown"],
    ]);
    const images = await Promise.all([photo(0, 930), photo(1, 931)]);
    const expected = await classifier.predict(images);
    const data = images.map((image) => image.toString("base64"));
    const infer = (input: object) =>
      post("/v2/models/shades/infer", JSON.stringify({ id: "7", inputs: [{ name: "image", ...input }] }));
    const answer = (await (await infer({ shape: [2], datatype: "BYTES", data })).json()) as InferAnswer;
    expect([answer.id, answer.model_name]).toEqual(["7", "shades"]);
    const output = (name: string) => answer.outputs.find((item) => item.name === name)!.data;
    expect(output("class")).toEqual(expected.map(({ className }) => className));
    expect(output("isUnknown")).toEqual(expected.map(({ isUnknown }) => isUnknown));

    const pixels = [...(await sharp(images[0]).raw().toBuffer())];
    const raw = (await (
      await infer({ shape: [16, 16, 3], datatype: "UINT8", data: pixels })
    ).json()) as InferAnswer;
    expect(raw.outputs[0]!.data).toEqual([expected[0]!.className]);
    expect(raw.outputs[1]!.data[0]).toBeCloseTo(expected[0]!.confidence, 5);
    const rows = Array.from({ length: 16 }, (_, y) =>
      Array.from({ length: 16 }, (_, x) => pixels.slice(3 * (16 * y + x), 3 * (16 * y + x) + 3)),
    );
    const nested = await infer({ shape: [16, 16, 3], datatype: "UINT8", data: rows });
    expect(((await nested.json()) as InferAnswer).outputs).toEqual(raw.outputs);

    const asking = (outputs: object[]) =>
      post(
        "/v2/models/shades/infer",
        JSON.stringify({ inputs: [{ name: "image", shape: [2], datatype: "BYTES", data }], outputs }),
      );
    const some = (await (await asking([{ name: "isUnknown" }, { name: "class" }])).json()) as InferAnswer;
    expect(some.outputs).toEqual(
      ["isUnknown", "class"].map((name) => answer.outputs.find((item) => item.name === name)),
    );
    expect(await (await asking([{ name: "logits" }])).json()).toEqual({
      error: 'There is no output "logits". There are class, confidence, unknownScore, isUnknown.',
    });
    expect((await infer({ shape: [3], datatype: "BYTES", data })).status).toBe(400);
    expect((await infer({ shape: [2], datatype: "INT64", data: [1, 2] })).status).toBe(400);
    expect((await infer({ shape: [2], datatype: "BYTES", data: [1, 2] })).status).toBe(400);
    expect((await post("/v2/models/shades/infer", "{")).status).toBe(400);
    const binary = await post("/v2/models/shades/infer", "{}", { "inference-header-content-length": "2" });
    expect([binary.status, await binary.text()]).toEqual([400, expect.stringContaining("binary_data=False")]);
    expect((await post("/v2/models/none/infer", "{}")).status).toBe(404);
  });

  it("takes several images as the views of one object, where it is told which object each shows", async () => {
    const images = await Promise.all([photo(1, 940), photo(0, 941), photo(1, 942)]);
    const expected = await classifier.predict([images[1]!, [images[0]!, images[2]!]]);
    const infer = (object: object, others: readonly object[] = []) =>
      post(
        "/v2/models/shades/infer",
        JSON.stringify({
          inputs: [
            {
              ...{ name: "image", shape: [3], datatype: "BYTES" },
              data: images.map((image) => image.toString("base64")),
            },
            { name: "object", shape: [3], datatype: "INT64", ...object },
            ...others,
          ],
        }),
      );
    const answer = (await (await infer({ data: [1, 0, 1] })).json()) as InferAnswer;
    const of = (name: string) => answer.outputs.find((output) => output.name === name)!.data as number[];
    expect(of("class")).toEqual(expected.map(({ className }) => className));
    for (const [i, { confidence, unknownScore }] of expected.entries()) {
      expect(of("confidence")[i]).toBeCloseTo(confidence, 4);
      expect(of("unknownScore")[i]).toBeCloseTo(unknownScore, 4);
    }
    const wrong = [
      { data: [0, 2, 0] },
      { data: [0, 1], shape: [2] },
      { data: [0, 1.5, 1] },
      { data: [0, 1, -1] },
    ];
    for (const object of wrong) expect((await infer(object)).status).toBe(400);
    expect((await infer({ data: [0, 0, 0], datatype: "UINT8" })).status).toBe(400);
    expect((await infer({ name: "other", data: [0, 0, 0] })).status).toBe(400);
    expect(
      (await infer({ data: [0, 1, 2] }, [{ name: "third", shape: [1], datatype: "INT64", data: [0] }]))
        .status,
    ).toBe(400);
  });
});

describe("the service", () => {
  it("describes itself to machines and people, and tells Prometheus its figures", async () => {
    const text = async (path: string) => (await fetch(`${service.url}${path}`)).text();
    const described = Object.entries(JSON.parse(await text("/openapi.json")).paths as Record<string, object>);
    expect(described.map(([path]) => path)).toContain("/predict");
    for (const [path] of described.filter(([, methods]) => "get" in methods)) {
      const address = path.replace("{name}", "shades").replace("{number}", "0");
      expect([address, (await fetch(`${service.url}${address}`)).status]).toEqual([address, 200]);
    }
    expect(await text("/")).toMatch(/<option>shades<\/option>/);
    const metrics = await text("/metrics");
    expect(metrics).toMatch(/penumbra_verdicts_total\{model="shades",verdict="unknown"\} \d/);
    expect(metrics).toMatch(/penumbra_requests_total\{route="\/predict",code="200"\} \d/);
    const unknown = async () => {
      const [, count] = /verdict="unknown"\} (\d+)/.exec(await text("/metrics"))!;
      return Number(count);
    };
    const before = await unknown();
    const [watched] = await service.judge([{ name: "noise", photos: [await noise()] }]);
    expect(watched?.verdict?.isUnknown).toBe(true);
    expect(await unknown()).toBe(before + 1); // what --watch judges counts too
    expect(log.every(({ ms, status, path }) => ms >= 0 && status >= 200 && path.startsWith("/"))).toBe(true);
  });

  it("lets no client have more requests under way than its share, and others go on", async () => {
    const limited = await startService([join(root, "shades")], {
      ...{ ...SERVICE_DEFAULTS, port: 0, maxPerClient: 2, maxWaitMs: 300, trustProxy: true },
    });
    const image = new Uint8Array(await photo(0, 940));
    const ask = (client: string) =>
      fetch(`${limited.url}/predict`, {
        method: "POST",
        body: image,
        headers: { "content-type": "image/png", "x-forwarded-for": client },
      });
    const statuses = await Promise.all(
      ["a", "a", "a", "a", "b"].map(async (client) => {
        const { status, headers } = await ask(client);
        if (status === 429) expect(headers.get("retry-after")).toBe("1");
        return `${client} ${status}`;
      }),
    );
    expect(statuses.sort()).toEqual(["a 200", "a 200", "a 429", "a 429", "b 200"]);
    expect((await ask("a")).status).toBe(200); // its share is free again
    await limited.close();
  });

  it("asks for its token, but not for health", async () => {
    const guarded = await startService([join(root, "shades")], {
      ...SERVICE_DEFAULTS,
      port: 0,
      token: "secret",
    });
    const get = (path: string, headers = {}) => fetch(`${guarded.url}${path}`, { headers });
    expect((await get("/models")).status).toBe(401);
    expect((await get("/models", { authorization: "Bearer wrong!" })).status).toBe(401);
    expect((await get("/models", { authorization: "Bearer secret" })).status).toBe(200);
    expect((await get("/v2/health/live")).status).toBe(200);
    await guarded.close();
  });

  it("judges with the detector that it is told to take, and says which one that is", async () => {
    const folder = join(root, "shades");
    const options = { ...SERVICE_DEFAULTS, port: 0, detector: "knn" };
    const other = await startService([folder], options);
    using wanted = loadClassifier(folder, { detector: "knn" });
    const image = await photo(0, 950);
    const [expected] = await wanted.predict([image]);
    const headers = { "content-type": "image/png" };
    const body = new Uint8Array(image);
    const answer = await fetch(`${other.url}/predict`, { method: "POST", body, headers });
    expect(await answer.json()).toEqual({ ...expected, model: "shades", verdict: "dark" });
    expect(await (await fetch(`${other.url}/models`)).json()).toMatchObject([{ detector: "knn" }]);
    await other.close();
    expect(await (await fetch(`${service.url}/models`)).json()).toMatchObject([{ detector: "mahalanobis" }]);
    await expect(startService([folder], { ...options, detector: "vim" })).rejects.toThrow(
      /has no detector "vim"\. It has mahalanobis, knn/,
    );
  });

  it("refuses a folder that holds no classifier, and a port that is taken", async () => {
    await expect(startService([root], { ...SERVICE_DEFAULTS, port: 0 })).rejects.toThrow(/is no classifier/);
    const port = Number(new URL(service.url).port);
    await expect(startService([join(root, "shades")], { ...SERVICE_DEFAULTS, port })).rejects.toThrow(
      /is taken/,
    );
  });
});
