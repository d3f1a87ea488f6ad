/** Hashes of many images as bytes, from which a split and a fingerprint are computed without a string for each. */

/** SHA-256 of each image of a store: image i has the 32 bytes from `i · stride` on. */
export interface Digests {
  readonly bytes: Uint8Array;
  /** Bytes from one image to the next. */
  readonly stride: number;
}

/** Length of a SHA-256 in bytes. */
export const digestBytes = 32;

/** Returns the first 48 bits of an image's hash as an integer. */
export function startOfDigest({ bytes, stride }: Digests, index: number): number {
  let start = 0;
  for (let at = index * stride, end = at + 6; at < end; at++) start = start * 256 + bytes[at]!;
  return start;
}

/** The two hexadecimal digits of each byte, the first of them in the lower half. */
const digits = Uint16Array.from({ length: 256 }, (_, byte) => {
  const pair = byte.toString(16).padStart(2, '0');
  return pair.charCodeAt(0) + 256 * pair.charCodeAt(1);
});

/** Writes an image's hash in hexadecimal into `target`, 64 bytes from `to` on. */
export function writeDigest({ bytes, stride }: Digests, index: number, target: DataView, to: number): void {
  const from = index * stride;
  for (let i = 0; i < digestBytes; i++) target.setUint16(to + 2 * i, digits[bytes[from + i]!]!, true);
}
