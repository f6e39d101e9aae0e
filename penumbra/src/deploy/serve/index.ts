/** Service: classifiers over HTTP, with batches, limits, figures for Prometheus and a page for people. */
export { type AppOptions, makeApp, type RequestEntry } from "./app.ts";
export { Batcher, type BatcherOptions, QueueFullError } from "./batcher.ts";
export type { ServedVerdict } from "./judge.ts";
export { ServedModel, type ServedModelOptions } from "./served-model.ts";
export { SERVICE_DEFAULTS, type Service, type ServiceOptions, startService } from "./server.ts";
