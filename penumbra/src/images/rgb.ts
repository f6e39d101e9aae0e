/** Colours and interleaved channels, as sharp gives and takes them. */

/** An opaque sRGB colour, each channel in 0..255. */
export type Rgb = readonly [red: number, green: number, blue: number];

export const WHITE: Rgb = [255, 255, 255];

export function asColour([r, g, b]: Rgb) {
  return { r, g, b };
}

/** [H, W, C] -> [H, W, 3]; one channel is repeated, a fourth is dropped. */
export function asRgb(interleaved: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return interleaved;
  const pixels = interleaved.length / channels;
  const out = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) out[3 * i + c] = interleaved[i * channels + (channels >= 3 ? c : 0)]!;
  }
  return out;
}
