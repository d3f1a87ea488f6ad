import { createHash } from 'node:crypto';
import type { ImageSource } from './image-source.js';

/**
 * Digest of the pictures to train on and those held out: changes with their contents, their order, their classes, or
 * which of them are held out, and not with where they lie.
 */
export function fingerprintOf(train: ImageSource, heldOut: ImageSource): string {
  const digest = createHash('sha256').update(JSON.stringify([train.length, heldOut.length, train.classes]));
  for (const source of [train, heldOut]) {
    for (let i = 0; i < source.length; i++) digest.update(`${source.hash(i)} ${source.label(i) ?? '-'}\n`);
  }
  return digest.digest('hex').slice(0, 16);
}
