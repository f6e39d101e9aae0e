import { fromTyped, scope } from "@penumbra/torch";
import type { Hono } from "hono";
import { z } from "zod";
import { pngBytes } from "../../images/index.ts";
import type { Verdict } from "../classifier/index.ts";
import { modelOf, refuse, type ServiceEnv } from "./handlers.ts";
import type { ServedModel } from "./served-model.ts";

const requestSchema = z.object({
  id: z.string().optional(),
  inputs: z
    .array(
      z.object({
        name: z.string(),
        shape: z.array(z.int().positive()).min(1).max(4),
        datatype: z.enum(["BYTES", "UINT8", "INT64"]),
        // Flat, or nested as the shape is.
        data: z.array(z.unknown()).transform((data): unknown[] => data.flat(3)),
      }),
    )
    .min(1)
    .max(2),
  outputs: z.array(z.object({ name: z.string() })).optional(),
});

type Input = z.output<typeof requestSchema>["inputs"][number];

/** Each output of the protocol: its type, and what it is of a verdict. */
const OUTPUTS = [
  { name: "class", datatype: "BYTES", of: ({ className }: Verdict) => className },
  { name: "confidence", datatype: "FP64", of: ({ confidence }: Verdict) => confidence },
  { name: "unknownScore", datatype: "FP64", of: ({ unknownScore }: Verdict) => unknownScore },
  { name: "isUnknown", datatype: "BOOL", of: ({ isUnknown }: Verdict) => isUnknown },
] as const;

/** The input that says which object each image shows. */
const OBJECT = "object";

/**
 * The Open Inference Protocol, version 2 (KServe), over HTTP: an input `image`, of files (BYTES, base64, [N]) or of
 * pixels (UINT8, [N, H, W, 3] or [H, W, 3]). Every image is an object of its own, unless an input `object` (INT64, [N])
 * says of each which object it is a view of, 0 … M - 1: the outputs are then [M]. A request that names `outputs` gets
 * these, in its order.
 */
export function inferencePaths(
  app: Hono<ServiceEnv>,
  models: ReadonlyMap<string, ServedModel>,
  predict: (name: string, files: readonly Uint8Array[]) => Promise<Verdict>,
): void {
  app.get("/v2", (context) => context.json({ name: "penumbra", version: "2", extensions: [] }));
  app.get("/v2/health/live", (context) => context.json({ live: true }));
  app.get("/v2/health/ready", (context) => context.json({ ready: true }));
  app.get("/v2/models/:name", (context) => {
    const name = context.req.param("name");
    modelOf(models, name);
    return context.json({
      name,
      platform: "penumbra",
      inputs: [
        { name: "image", datatype: "BYTES", shape: [-1] },
        { name: OBJECT, datatype: "INT64", shape: [-1], parameters: { optional: true } },
      ],
      outputs: OUTPUTS.map((output) => ({ name: output.name, datatype: output.datatype, shape: [-1] })),
    });
  });
  app.get("/v2/models/:name/ready", (context) => {
    const name = context.req.param("name");
    modelOf(models, name);
    return context.json({ name, ready: true });
  });
  app.post("/v2/models/:name/infer", async (context) => {
    const name = context.req.param("name");
    modelOf(models, name);
    if (context.req.header("inference-header-content-length") !== undefined)
      throw refuse(
        400,
        "Binary tensors are an extension of the protocol that this service does not have. Send JSON (tritonclient: binary_data=False).",
      );
    const json: unknown = await context.req.json().catch(() => {
      throw refuse(400, "The body is no JSON. Send a request of the Open Inference Protocol.");
    });
    const request = requestSchema.safeParse(json);
    if (!request.success) {
      const [issue] = request.error.issues;
      throw refuse(
        400,
        `The request does not fit the protocol: ${issue?.path.join(".")}: ${issue?.message}. Send an input "image", and "${OBJECT}" where images are views of one object.`,
      );
    }
    const { inputs, outputs } = request.data;
    const wanted = outputs ? outputs.map(({ name: output }) => outputOf(output)) : OUTPUTS;
    const image = inputs.find((input) => input.name !== OBJECT);
    const object = inputs.find((input) => input.name === OBJECT);
    if (!image || inputs.length > (object ? 2 : 1))
      throw refuse(
        400,
        `The request has ${inputs.map((input) => `"${input.name}"`).join(" and ")}. Send an input "image", and at most "${OBJECT}" beside it.`,
      );
    const files = await filesOf(image);
    const objects = object ? viewsOf(files, object) : files.map((file) => [file]);
    const verdicts = await Promise.all(objects.map((views) => predict(name, views)));
    return context.json({
      model_name: name,
      ...(request.data.id !== undefined && { id: request.data.id }),
      outputs: wanted.map((output) => ({
        name: output.name,
        datatype: output.datatype,
        shape: [verdicts.length],
        data: verdicts.map((verdict) => output.of(verdict)),
      })),
    });
  });
}

/** @throws HTTPException 400 for an output that there is not */
function outputOf(name: string): (typeof OUTPUTS)[number] {
  const output = OUTPUTS.find((each) => each.name === name);
  if (output) return output;
  throw refuse(
    400,
    `There is no output "${name}". There are ${OUTPUTS.map((each) => each.name).join(", ")}.`,
  );
}

/** The views of each object. @throws HTTPException 400 where not every image has an object, or an object no image */
function viewsOf(files: readonly Uint8Array[], { datatype, shape, data }: Input): Uint8Array[][] {
  requireSize({ shape, data });
  const isNumber = (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < files.length;
  if (datatype === "INT64" && data.length === files.length && data.every(isNumber)) {
    const count = 1 + data.reduce((most, number) => Math.max(most, number), 0);
    const objects = Array.from({ length: count }, (): Uint8Array[] => []);
    for (const [index, number] of data.entries()) objects[number]!.push(files[index]!);
    if (objects.every((views) => views.length > 0)) return objects;
  }
  throw refuse(
    400,
    `"${OBJECT}" is INT64 [${files.length}], one number an image, from 0 on without a gap. Send as many as there are images.`,
  );
}

/** @throws HTTPException 400 where data and shape do not fit */
function requireSize({ shape, data }: Pick<Input, "shape" | "data">): void {
  const size = shape.reduce((product, side) => product * side, 1);
  if (data.length !== size)
    throw refuse(
      400,
      `The input has ${data.length} values, and its shape [${shape}] has ${size}. Send as many.`,
    );
}

/** The images of an input as files. @throws HTTPException 400 where data and shape do not fit */
async function filesOf({ datatype, shape, data }: Input): Promise<Uint8Array[]> {
  requireSize({ shape, data });
  if (datatype === "INT64") throw refuse(400, "Images are BYTES or UINT8, not INT64.");
  if (datatype === "BYTES") {
    return data.map((item) => {
      if (typeof item !== "string") throw refuse(400, "BYTES are files in base64. Send texts.");
      return new Uint8Array(Buffer.from(item, "base64"));
    });
  }
  const [channels, width, height, images = 1] = [...shape].reverse();
  if (channels !== 3 || width === undefined || height === undefined)
    throw refuse(400, `Pixels are [N, height, width, 3] or [height, width, 3], not [${shape}].`);
  const isPixel = (value: unknown) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255;
  if (!data.every(isPixel)) throw refuse(400, "UINT8 values are whole numbers from 0 to 255.");
  const length = height * width * 3;
  return Promise.all(
    Array.from({ length: images }, (_, index) => {
      const pixels = Uint8Array.from(data.slice(index * length, (index + 1) * length) as number[]);
      return scope(async () => pngBytes(fromTyped(pixels, [height, width, 3]).permute([2, 0, 1])));
    }),
  );
}
