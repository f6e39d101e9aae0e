// Losses as modules, with PyTorch's names, and what is made of the losses of all elements.
export * from "./classification.ts";
export type { LossOptions } from "./loss.ts";
export * from "./margins.ts";
export { MultiLabelSoftMarginLoss } from "./multilabel.ts";
export * from "./regression.ts";
