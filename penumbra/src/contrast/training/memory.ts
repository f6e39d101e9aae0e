import * as torch from "@penumbra/torch";
import { nn, noGrad, type Tensor } from "@penumbra/torch";
import type { Remembered } from "../losses/objective.ts";

/** What a memory has room for. */
export interface MemorySize {
  readonly rows: number;
  readonly width: number;
  readonly classes: number;
  readonly keepsTargets: boolean;
  readonly keepsTeacher: boolean;
}

/**
 * The newest projections of training photos, which contrastive objectives see as further negatives, so that small
 * batches see many: a first-in, first-out queue of what the head gave when the photos were last drawn (the queue of MoCo,
 * He et al. 2020, without its second encoder, because a slowly changing encoder makes old projections do: Wang et al.
 * 2020, "Cross-Batch Memory"). A module, so that checkpoints hold it.
 */
export class ProjectionMemory extends nn.Module<[], void> {
  readonly rows: Tensor;
  readonly labels: Tensor;
  readonly photos: Tensor;
  /** [Q, C], where label distributions are kept. */
  readonly targets: Tensor | null;
  /** [Q, C], where a teacher's logits are kept. */
  readonly teacher: Tensor | null;
  readonly count: Tensor;

  /**
   * @param size Q rows, whose head's outputs are of P = `width`, beside what is kept of C = `classes`
   * @param device where rows and what is kept beside them lie
   */
  constructor({ rows: size, width, classes, keepsTargets, keepsTeacher }: MemorySize, device: string) {
    super();
    const whole = { dtype: "int64" } as const;
    this.rows = nn.buffer(torch.zeros([size, width], { device }));
    this.labels = nn.buffer(torch.zeros([size], whole));
    this.photos = nn.buffer(torch.zeros([size], whole));
    const perClass = (isKept: boolean) =>
      isKept ? nn.buffer(torch.zeros([size, classes], { device })) : null;
    this.targets = perClass(keepsTargets);
    this.teacher = perClass(keepsTeacher);
    this.count = nn.buffer(torch.zeros([], whole));
  }

  override forward(): void {}

  /** What is remembered, in no order; null at first. */
  read(): Remembered | null {
    const length = Math.min(this.count.item(), this.labels.numel);
    if (length === 0) return null;
    return {
      rows: this.rows.narrow(0, 0, length),
      labels: this.labels.narrow(0, 0, length).toNumbers(),
      photos: this.photos.narrow(0, 0, length).toNumbers(),
      targets: this.targets?.narrow(0, 0, length) ?? null,
      teacher: this.teacher?.narrow(0, 0, length) ?? null,
    };
  }

  /**
   * Remembers the newest rows in place of the oldest ones.
   * @param newest rows [B, P], through which no gradient goes back, with what is kept beside them, each [B, C]
   */
  add({ rows, labels, photos, targets, teacher }: Remembered): void {
    noGrad(() => {
      const size = this.labels.numel;
      const before = this.count.item();
      const newest = Math.max(0, labels.length - size); // of a batch that is larger than the memory only its end
      const index = (values: readonly number[]) =>
        torch.fromTyped(BigInt64Array.from(values.slice(newest), BigInt), [values.length - newest]);
      const places = index(labels.map((_, row) => (before + row) % size));
      const { device } = this.rows;
      const put = (into: Tensor, own: Tensor) =>
        into.indexCopy_(
          0,
          places.to(device),
          own.narrow(0, newest, labels.length - newest).to({ device, dtype: into.dtype }),
        );
      put(this.rows, rows);
      if (this.targets && targets) put(this.targets, targets);
      if (this.teacher && teacher) put(this.teacher, teacher);
      this.labels.indexCopy_(0, places, index(labels));
      this.photos.indexCopy_(0, places, index(photos));
      this.count.add_(labels.length);
    });
  }
}
