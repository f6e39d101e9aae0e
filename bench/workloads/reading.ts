import * as torch from "@penumbra/torch";
import { now } from "../clock.ts";
import { repeated, type Workload } from "./workload.ts";

const SHAPE = { elements: 1_000_000 };

/** A copy of a tensor's elements, while the event loop waits. */
export const toTyped: Workload = {
  module: "reading",
  parameters: SHAPE,
  build() {
    const x = torch.randn([SHAPE.elements]);
    return { run: repeated(() => void x.toTyped()), facts: SHAPE };
  },
};

/** The same while the event loop goes on. */
export const data: Workload = {
  ...toTyped,
  build() {
    const x = torch.randn([SHAPE.elements]);
    const run = async (steps: number): Promise<number> => {
      const started = now();
      for (let index = 0; index < steps; index += 1) await x.data();
      return (now() - started) / steps;
    };
    return { run, facts: SHAPE };
  },
};
