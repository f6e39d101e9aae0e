/** The service's description for machines, OpenAPI 3.1. */
export function openApiOf(models: readonly string[]): object {
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
  return {
    openapi: "3.1.0",
    info: { title: "Penumbra", version: "1", description: "Classifiers that say unknown" },
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
        get: { summary: "The classifiers that are served", responses: { "200": answer("A list") } },
      },
      "/models/{name}/gallery/{number}": {
        get: {
          summary: "A small picture of a training photo, by its number among the neighbours (WebP)",
          parameters: ["name", "number"].map((name) => ({
            ...{ name, in: "path", required: true, schema: { type: "string" } },
          })),
          responses: { "200": { description: "A picture", content: { "image/webp": image } } },
        },
      },
      "/metrics": { get: { summary: "Figures for Prometheus", responses: { "200": answer("Text") } } },
      "/v2/models/{name}/infer": {
        post: {
          summary: "Open Inference Protocol, version 2",
          parameters: [
            { name: "name", in: "path", required: true, schema: { type: "string", enum: models } },
          ],
          responses: {
            "200": answer(
              "class, confidence, unknownScore, isUnknown of each image, or of each object where the input `object` says which one each image shows",
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
