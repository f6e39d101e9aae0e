import { native, TorchError } from "../tensor/index.ts";

/** @throws TorchError where there is no such GPU */
export function checkGpu(device: number): void {
  const count = native.cudaDevices();
  if (Number.isInteger(device) && device >= 0 && device < count) return;
  throw new TorchError(
    `There is no device "cuda:${device}": ${count} NVIDIA GPUs can be used. \`npx @penumbra/torch doctor\` shows why.`,
  );
}
