/** Labelling: unknowns that were kept become new classes, named by a person on a local page. */
export { averageLinkage, clustersWithin, type Merge } from "./agglomerative.ts";
export { type LabelGroup, type LabelOptions, makeLabelApp } from "./label-app.ts";
export { type LabelService, startLabelling } from "./label-server.ts";
export { besideOf, finishMove, moveGroup } from "./move-group.ts";
export { type UnknownObject, UnknownObjects } from "./unknown-objects.ts";
