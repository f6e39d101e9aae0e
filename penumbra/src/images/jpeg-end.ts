/** JPEG files whose end is missing: what was cut off, only the marker or a part of the picture? */

const MARKERS = { startOfFrame: [0xc0, 0xc1, 0xc2], startOfScan: 0xda, endOfImage: 0xd9 } as const;
const START_OF_SCAN = Uint8Array.of(0xff, MARKERS.startOfScan);
const END_OF_IMAGE = Uint8Array.of(0xff, MARKERS.endOfImage);

/**
 * Whether the end is marked behind the last scan: the marker of an embedded thumbnail stands before it. It need not be
 * the last byte, since some cameras pad the file. Compressed data cannot hold either marker.
 */
export function hasJpegEnd(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.lastIndexOf(END_OF_IMAGE) > buffer.lastIndexOf(START_OF_SCAN);
}

/**
 * The same file with its end marked: at once, and after two stretches of other data. A decoder that lacks nothing looks
 * at none of them; one that goes on reading comes to other pictures.
 */
export function withJpegEnds(bytes: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] {
  const whole = bytes.at(-1) === 0xff ? bytes.subarray(0, -1) : bytes;
  const ended = (...between: Uint8Array[]) => Buffer.concat([whole, ...between, END_OF_IMAGE]);
  const stretch = (shift: number) => Uint8Array.from({ length: 256 }, (_, i) => (i * 89 + shift) % 255); // no marker
  return [ended(), ended(stretch(31)), ended(stretch(192))];
}

/**
 * Whether the scans that have begun hold every coefficient of every component to its last bit (ITU-T T.81, G.1.1):
 * a progressive file that was cut off between two scans decodes without a complaint, only coarser.
 */
export function hasEveryScan(bytes: Uint8Array): boolean {
  let components = 0;
  const complete = new Map<number, Set<number>>();
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff || bytes[at + 1] === 0 || bytes[at + 1] === 0xff) {
      at++; // compressed data, or fill bytes
      continue;
    }
    const marker = bytes[at + 1]!;
    if (marker === MARKERS.endOfImage) break;
    if (marker >= 0xd0 && marker <= 0xd8) {
      at += 2; // restart markers stand alone
      continue;
    }
    const start = at + 4;
    if (MARKERS.startOfFrame.some((value) => value === marker)) {
      if (start + 5 >= bytes.length) return false;
      components = bytes[start + 5]!;
    }
    if (marker === MARKERS.startOfScan) noteScan(bytes, start, complete);
    at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return (
    components > 0 && complete.size === components && [...complete.values()].every(({ size }) => size === 64)
  );
}

/** Notes the coefficients that a scan brings to their last bit. */
function noteScan(bytes: Uint8Array, start: number, complete: Map<number, Set<number>>): void {
  const count = bytes[start];
  if (count === undefined) return;
  const settings = start + 1 + 2 * count;
  const [first, last, approximation] = bytes.subarray(settings, settings + 3);
  if (first === undefined || last === undefined || approximation === undefined) return; // cut off amid its header
  if ((approximation & 15) !== 0) return; // lower bits follow in another scan
  for (let i = 0; i < count; i++) {
    const id = bytes[start + 1 + 2 * i]!;
    const done = complete.get(id) ?? new Set();
    complete.set(id, done);
    for (let k = first; k <= last && k < 64; k++) done.add(k);
  }
}
