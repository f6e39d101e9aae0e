import { ModelError } from "./errors.ts";

/**
 * Channels of convolutions that are trained come in blocks of as many: one register of AVX2. oneDNN's
 * `jit_avx2_1x1_convolution_bwd_weights` of libtorch 2.13 writes past its buffers, or never ends, for 1x1 convolutions
 * of stride 2 with fewer channels (ARCHITECTURE.md, "Decisions").
 */
export const CHANNEL_BLOCK = 8;

/** Why {@link CHANNEL_BLOCK}, as part of an error. */
export const CHANNEL_RULE = `It must be a multiple of ${CHANNEL_BLOCK}: with fewer channels libtorch's convolutions hang or corrupt memory on processors without AVX-512.`;

/**
 * @param what the setting in words, such as "A ResNet's width"
 * @throws ModelError for a number of channels that the kernels do not bear
 */
export function requireChannels(channels: number, what: string): void {
  if (Number.isInteger(channels) && channels > 0 && channels % CHANNEL_BLOCK === 0) return;
  throw new ModelError(`${what} is ${channels}. ${CHANNEL_RULE} Set ${nearest(channels)}.`);
}

function nearest(channels: number): number {
  return CHANNEL_BLOCK * Math.max(1, Math.round((channels || 0) / CHANNEL_BLOCK));
}
