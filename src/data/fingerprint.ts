import { createHash } from 'node:crypto';
import type { ImageSource } from './image-source.js';

/**
 * Returns a digest of the training and held-out images. It changes with their contents, their order, their classes and
 * the split, but not with their paths.
 */
export function fingerprintOf(train: ImageSource, heldOut: ImageSource): string {
  const digest = createHash('sha256').update(JSON.stringify([train.length, heldOut.length, train.classes]));
  for (const source of [train, heldOut]) {
    for (let i = 0; i < source.length; i++) digest.update(`${source.hash(i)} ${source.label(i) ?? '-'}\n`);
  }
  return digest.digest('hex').slice(0, 16);
}
