import type { StageEvent } from "../study/index.ts";

/** Where progress goes: a terminal is rewritten in place, anything else gets whole lines. */
export interface ProgressTarget {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** A stage that is being made. */
interface OpenStage {
  readonly startedAt: number;
  firstDone?: number;
  /** When it was last told of, where lines stay. */
  toldAt: number;
  /** Where it stands, in a few characters. */
  share: string;
}

/**
 * One line per stage with progress, rate and time left, or while several are made side by side one for all of them;
 * stages kept from an earlier run are only counted.
 */
export class StageLines {
  readonly #target: ProgressTarget;
  readonly #total: number;
  readonly #now: () => number;
  #finished = 0;
  #kept = 0;
  readonly #open = new Map<string, OpenStage>();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #isOpen = false;

  constructor(target: ProgressTarget, total: number, now: () => number = () => performance.now()) {
    this.#target = target;
    this.#total = total;
    this.#now = now;
  }

  readonly onEvent = (event: StageEvent): void => {
    if (event.event === "reused") {
      this.#finished++;
      this.#kept++;
      return;
    }
    this.#showKept();
    if (event.event === "start") {
      this.#open.set(titleOf(event), { startedAt: this.#now(), toldAt: this.#now(), share: "" });
      if (this.#target.isTTY) this.#draw(`${this.#head(event)}${event.isResumed ? "goes on" : "…"}`);
      this.#drawnAt = this.#now();
    } else if (event.event === "progress") this.#progress(event);
    else if (event.event === "note") this.#line(`${this.#head(event)}${event.text}`);
    else if (event.event === "damaged") {
      this.#line(`${this.#head(event)}is made again: ${event.reason}`);
    } else {
      this.#finished++;
      this.#open.delete(titleOf(event));
      this.#line(`${this.#head(event, this.#finished)}${shortDuration(event.seconds)}`);
    }
  };

  /** Writes a line of another kind between those of the stages. */
  say(text: string): void {
    this.#showKept();
    this.#line(text);
  }

  /** Writes what is still open; call once at the end. */
  close(): void {
    this.#showKept();
    if (this.#isOpen) this.#target.write("\n");
    this.#isOpen = false;
  }

  #progress(event: StageEvent & { event: "progress" }): void {
    const current = this.#open.get(titleOf(event));
    if (!current) return;
    current.firstDone ??= event.done;
    current.share = ` ${Math.floor((100 * event.done) / Math.max(1, event.total))} %`;
    const now = this.#now();
    // A terminal is redrawn ten times a second; a log gets a sign of life of every stage each half minute.
    if (this.#target.isTTY) {
      if (now - this.#drawnAt < 100) return;
      this.#drawnAt = now;
      if (this.#open.size > 1) {
        const all = [...this.#open].map(([title, { share }]) => `${title}${share}`);
        this.#draw(`${this.#count(this.#finished)} ${this.#open.size} at work: ${all.join(" · ")}`);
        return;
      }
    } else {
      if (now - current.toldAt < 30_000) return;
      current.toldAt = now;
    }
    const seconds = (now - current.startedAt) / 1000;
    const rate = (event.done - current.firstDone) / seconds;
    const speed = rate > 0 ? `  ${rate.toPrecision(3)}${event.unit ? ` ${event.unit}` : ""}/s` : "";
    const left = rate > 0 ? `  ${shortDuration((event.total - event.done) / rate)} left` : "";
    const text = `${this.#head(event)}${Math.floor(event.done)}/${event.total}${event.unit ? ` ${event.unit}` : ""}${speed}${left}`;
    if (this.#target.isTTY) this.#draw(text);
    else this.#target.write(`${text}\n`);
  }

  #showKept(): void {
    if (this.#kept === 0) return;
    const what = this.#kept === 1 ? "1 stage is" : `${this.#kept} stages are`;
    this.#line(`${this.#count(this.#finished)} ${what} kept from an earlier run`);
    this.#kept = 0;
  }

  #head({ stage, label }: StageEvent, number = this.#finished + 1): string {
    return `${this.#count(number)} ${stage.padEnd(9)} ${label.padEnd(24)} `;
  }

  #count(number: number): string {
    const total = String(this.#total);
    return `[${String(number).padStart(total.length)}/${total}]`;
  }

  #draw(text: string): void {
    this.#target.write(`\r${text.slice(0, (this.#target.columns ?? 100) - 1)}\u001b[K`);
    this.#isOpen = true;
  }

  #line(text: string): void {
    this.#target.write(`${this.#isOpen ? "\r\u001b[K" : ""}${text.trimEnd()}\n`);
    this.#isOpen = false;
  }
}

/** What a stage is called among others. */
function titleOf({ stage, label }: StageEvent): string {
  return `${stage} ${label}`.trim();
}

/** Seconds as "0.4 s", "38 s", "4:05 min", "2:10 h". */
export function shortDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pair = (big: number, small: number) => `${big}:${String(small).padStart(2, "0")}`;
  if (whole < 3600) return `${pair(Math.floor(whole / 60), whole % 60)} min`;
  const minutes = Math.round(whole / 60);
  return `${pair(Math.floor(minutes / 60), minutes % 60)} h`;
}

/** Runs one piece of work with its progress on the terminal, and nothing where there is none. */
export async function showingStage<T>(
  stage: string,
  run: (onProgress: (done: number, total: number) => void) => Promise<T>,
  unit = "photos",
): Promise<T> {
  if (!process.stderr.isTTY) return run(() => {});
  const lines = new StageLines(process.stderr, 1);
  const title = { stage, label: "", hash: "" };
  lines.onEvent({ ...title, event: "start", isResumed: false });
  try {
    return await run((done, total) => lines.onEvent({ ...title, event: "progress", done, total, unit }));
  } finally {
    lines.close();
  }
}
