import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';

/** Returns the SHA-256 of a file in hexadecimal; reads the file as a stream. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

/**
 * Checks a file's SHA-256.
 * @throws Error with both sums if it is not the expected one
 */
export async function verifyFile(path: string, expected: string, signal?: AbortSignal): Promise<void> {
  const actual = await sha256File(path, signal);
  if (actual === expected) return;
  throw new Error(
    `${basename(path)} is not the expected file: SHA-256 is ${actual}, expected ${expected} ` +
      `(a damaged or altered download)`,
  );
}
