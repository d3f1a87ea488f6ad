import { createHash } from 'node:crypto';
import type { ImageSource } from './image-source.js';

/**
 * Returns a digest of the training and held-out images. It changes with their contents, their order, their classes and
 * the split, but not with their paths.
 */
export function fingerprintOf(train: ImageSource, heldOut: ImageSource): string {
  const digest = createHash('sha256').update(JSON.stringify([train.length, heldOut.length, train.classes]));
  for (const source of [train, heldOut]) {
    let lines = ''; // Many lines at once: a call for each takes seconds for a million.
    for (let i = 0; i < source.length; i++) {
      lines += `${source.hash(i)} ${source.label(i) ?? '-'}\n`;
      if (lines.length < 2 ** 16) continue;
      digest.update(lines);
      lines = '';
    }
    digest.update(lines);
  }
  return digest.digest('hex').slice(0, 16);
}
