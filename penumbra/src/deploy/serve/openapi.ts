/**
 * The service's description for machines, OpenAPI 3.1.
 * @param isGuarded whether requests must bring a token
 */
export function openApiOf(models: readonly string[], isGuarded: boolean): object {
  const answer = (description: string, schema?: object) => ({
    description,
    ...(schema && { content: { "application/json": { schema } } }),
  });
  const failures = Object.fromEntries(
    [
      ["400", "The request cannot be understood"],
      ["401", "The token is missing or wrong"],
      ["404", "There is no such model"],
      ["413", "The body, the pixels or the views are too many"],
      ["415", "The content type or image format is not taken"],
      ["422", "The image is damaged"],
      ["429", "Too many requests of this client are under way"],
      ["503", "The queue is full, or the answer took too long: try again"],
    ].map(([code, description]) => [code, answer(description!, { $ref: "#/components/schemas/Failure" })]),
  );
  const image = { schema: { type: "string", format: "binary" } };
  const open = (summary: string, schema: object) => ({
    get: { summary, security: [], responses: { "200": answer("Yes", schema) } },
  });
  const truth = (name: string) => ({ type: "object", properties: { [name]: { type: "boolean" } } });
  const named = { name: "name", in: "path", required: true, schema: { type: "string", enum: models } };
  return {
    openapi: "3.1.0",
    info: { title: "Penumbra", version: "1", description: "Classifiers that say unknown" },
    ...(isGuarded && { security: [{ token: [] }] }),
    paths: {
      "/predict": {
        post: {
          summary: "The verdict on one object, by one photo or several views of it",
          parameters: [
            { name: "model", in: "query", schema: { type: "string", enum: models, default: models[0] } },
            {
              ...{ name: "neighbours", in: "query", schema: { type: "integer", minimum: 0, maximum: 10 } },
              description: "How many training photos that resemble the object are told with the verdict",
            },
          ],
          requestBody: {
            required: true,
            content: {
              "image/*": image,
              "application/octet-stream": image,
              "multipart/form-data": {
                schema: {
                  type: "object",
                  properties: { image: { type: "array", items: { type: "string", format: "binary" } } },
                },
              },
            },
          },
          responses: { "200": answer("The verdict", { $ref: "#/components/schemas/Verdict" }), ...failures },
        },
      },
      "/models": {
        get: {
          summary: "The classifiers that are served",
          responses: { "200": answer("A list", { type: "array", items: MODEL }) },
        },
      },
      "/models/{name}/gallery/{number}": {
        get: {
          summary: "A small picture of a training photo, by its number among the neighbours (WebP)",
          parameters: [
            named,
            { ...{ name: "number", in: "path", required: true }, schema: { type: "integer", minimum: 0 } },
          ],
          responses: {
            "200": { description: "A picture", content: { "image/webp": image } },
            "404": failures["404"],
          },
        },
      },
      "/metrics": {
        get: {
          summary: "Figures for Prometheus",
          responses: {
            "200": { description: "Text", content: { "text/plain": { schema: { type: "string" } } } },
          },
        },
      },
      "/health": open("Whether the service answers, and which classifiers", {
        type: "object",
        properties: { status: { const: "ok" }, models: { type: "array", items: { type: "string" } } },
      }),
      "/v2": {
        get: { summary: "The service, in the protocol's words", responses: { "200": answer("Its name") } },
      },
      "/v2/health/live": open("Whether the service runs", truth("live")),
      "/v2/health/ready": open("Whether the service takes requests", truth("ready")),
      "/v2/models/{name}": {
        get: {
          summary: "What a classifier takes and gives, in the protocol's words",
          parameters: [named],
          responses: { "200": answer("Inputs and outputs"), "404": failures["404"] },
        },
      },
      "/v2/models/{name}/ready": {
        get: {
          summary: "Whether a classifier takes requests",
          parameters: [named],
          responses: { "200": answer("Yes", truth("ready")), "404": failures["404"] },
        },
      },
      "/v2/models/{name}/infer": {
        post: {
          summary: "Open Inference Protocol, version 2",
          parameters: [named],
          requestBody: { required: true, content: { "application/json": { schema: INFER } } },
          responses: {
            "200": answer(
              "class, confidence, unknownScore, isUnknown of each image, or of each object where the input `object` says which one each image shows",
              INFERRED,
            ),
            ...failures,
          },
        },
      },
    },
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Verdict: VERDICT, Failure: { type: "object", properties: { error: { type: "string" } } } },
    },
  };
}

/** What of a tensor the protocol tells before its values. */
const TENSOR = {
  name: { type: "string" },
  shape: { type: "array", items: { type: "integer" } },
  datatype: { type: "string" },
};

const INFER = {
  type: "object",
  required: ["inputs"],
  properties: {
    id: { type: "string" },
    inputs: {
      type: "array",
      description:
        "image: files (BYTES, base64, [N]) or pixels (UINT8, [N, height, width, 3] or [height, width, 3]); object: which object each image shows (INT64, [N], from 0)",
      ...{ minItems: 1, maxItems: 2 },
      items: {
        type: "object",
        required: ["name", "shape", "datatype", "data"],
        properties: {
          ...{ ...TENSOR, datatype: { enum: ["BYTES", "UINT8", "INT64"] } },
          data: { type: "array", items: { type: ["string", "integer"] } },
        },
      },
    },
    outputs: {
      type: "array",
      description: "Those that are wanted, in this order; all where it is left out",
      items: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
    },
  },
};

const INFERRED = {
  type: "object",
  properties: {
    ...{ model_name: { type: "string" }, id: { type: "string" } },
    outputs: {
      type: "array",
      items: { type: "object", properties: { ...TENSOR, data: { type: "array" } } },
    },
  },
};

const MODEL = {
  type: "object",
  properties: {
    name: { type: "string" },
    classes: { type: "array", items: { type: "string" } },
    level: { type: "number", description: "An object is called unknown at a pValue of at most this" },
    detectors: { type: "array", items: { type: "string" } },
    detector: { type: "string", description: "The one that says unknown" },
    preprocessing: { type: "object" },
  },
};

const SHARE = { type: "number", minimum: 0, maximum: 1 };

const VERDICT = {
  type: "object",
  properties: {
    model: { type: "string" },
    verdict: { type: "string", description: "A known class, or unknown" },
    isUnknown: { type: "boolean" },
    className: {
      type: "string",
      description: "The most likely known class; of an unknown object what it resembles",
    },
    confidence: { ...SHARE, description: "Calibrated probability of that class" },
    pValue: { ...SHARE, description: "Share of known calibration objects that look no less unknown" },
    unknownScore: { ...SHARE, description: "1 - pValue" },
    score: { type: "number", description: "Of the detector; higher is more surely known" },
    views: { type: "integer" },
    neighbours: {
      type: "array",
      items: {
        type: "object",
        properties: {
          number: { type: "integer" },
          id: { type: "string" },
          className: { type: "string" },
          similarity: { type: "number", minimum: -1, maximum: 1 },
        },
      },
    },
    classes: {
      type: "array",
      items: {
        type: "object",
        properties: { className: { type: "string" }, probability: SHARE },
      },
    },
  },
};
