import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';

/** SHA-256 of a file in hexadecimal, read as a stream. */
export async function sha256File(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...(signal && { signal }) })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

/** @throws Error with both sums when the file is not the one expected. */
export async function verifyFile(path: string, expected: string, signal?: AbortSignal): Promise<void> {
  const actual = await sha256File(path, signal);
  if (actual === expected) return;
  throw new Error(
    `${basename(path)} is not the expected file: SHA-256 is ${actual}, expected ${expected} ` +
      `(a damaged or altered download)`,
  );
}
