import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Verdict } from "../classifier/index.ts";

/** What a service tells Prometheus. The share of unknowns shows drift: of the cameras, or of what lies before them. */
export class ServiceMetrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: "penumbra_requests_total",
    help: "Requests by route and status code",
    labelNames: ["route", "code"],
    registers: [this.#registry],
  });
  readonly #seconds = new Histogram({
    name: "penumbra_request_seconds",
    help: "Time from a request to its answer",
    labelNames: ["route"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.#registry],
  });
  readonly #verdicts = new Counter({
    name: "penumbra_verdicts_total",
    help: "Objects by model and verdict: a known class, or unknown",
    labelNames: ["model", "verdict"],
    registers: [this.#registry],
  });

  /** @param queues how many photos wait, by model; asked when the metrics are read */
  constructor(queues: () => Iterable<readonly [model: string, photos: number]>) {
    new Gauge({
      name: "penumbra_queue_photos",
      help: "Photos that wait for the network",
      labelNames: ["model"],
      registers: [this.#registry],
      collect() {
        for (const [model, photos] of queues()) this.set({ model }, photos);
      },
    });
  }

  request(route: string, code: number, seconds: number): void {
    this.#requests.inc({ route, code });
    this.#seconds.observe({ route }, seconds);
  }

  verdict(model: string, { isUnknown, className }: Pick<Verdict, "isUnknown" | "className">): void {
    this.#verdicts.inc({ model, verdict: isUnknown ? "unknown" : className });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
