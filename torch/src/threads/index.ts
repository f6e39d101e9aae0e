/** Work beside the event loop: tensors handed between threads without a copy, and a pool of threads that compute. */
export { forget, type Given, type GivenTensor, give, take } from "./give.ts";
export { Pool, type PoolOptions, serve } from "./pool.ts";
