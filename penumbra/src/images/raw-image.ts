/** Pixels as they lie in memory: rows from the top, channels interleaved. */
export interface RawImage {
  readonly data: Uint8Array | Uint16Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}
