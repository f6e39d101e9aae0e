/** Data for training: datasets, the order in which they are gone through, batches, worker threads that prepare them. */
export { type Collated, type CollateOptions, collate } from "./collate.ts";
export { type Dataset, DatasetError, ItemContext, type IterableDataset, ShardContext } from "./dataset.ts";
export { ConcatDataset, randomSplit, Subset, TensorDataset } from "./datasets.ts";
export { DataLoader, type DataLoaderOptions } from "./loader.ts";
export {
  type BatchOrder,
  BatchSampler,
  DistributedSampler,
  type DistributedSamplerOptions,
  RandomSampler,
  type RandomSamplerOptions,
  type Sampler,
  SequentialSampler,
  SubsetRandomSampler,
  WeightedRandomSampler,
} from "./samplers.ts";
