import { z } from "zod";

/** Settings that contrastive objectives share. */

/** Of the projection and its similarities, with the temperature that the objective's source has. */
export function projectionSettings(temperature = 0.1) {
  return {
    temperature: z
      .number()
      .positive()
      .meta({ description: "Temperature of the contrastive loss" })
      .default(temperature),
    projection: z
      .int()
      .positive()
      .meta({ description: "Dimensions of the projection that the contrastive loss sees" })
      .default(64),
  };
}

/** Of negatives that are columns of the denominator. */
export const columnSettings = {
  negativeWeight: z
    .number()
    .positive()
    .meta({ description: "Weight of the near-OOD columns in the loss's denominator (lambda)" })
    .default(1),
  negativeTilt: z
    .number()
    .min(0)
    .meta({ description: "Importance of the nearer ones among them (beta); 0 = all alike" })
    .default(0),
  negativeScope: z
    .enum(["all", "source-class"])
    .meta({
      description: "Which photos a near-OOD redraw is held against: all, or those of the class it came from",
    })
    .default("all"),
  detachNegatives: z
    .boolean()
    .meta({ description: "No gradient through the near-OOD redraws: they push the photos only" })
    .default(false),
};

/** The names of the columns' settings, for an objective's places. */
export const columnNames = Object.keys(columnSettings) as (keyof typeof columnSettings)[];
