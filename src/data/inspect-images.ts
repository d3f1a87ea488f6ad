import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { recoverPath, shownPath, systemPath } from '../files/file-names.js';
import { hasOtherPictures, passedOver } from './files/find-images.js';
import { ImageDataError } from './image-error.js';
import { openImages, type DataReport, type OpenImagesOptions } from './open-images.js';
import type { DataConfig } from './settings.js';
import type { PackIndex } from './packed/packed-index.js';

export interface ImagesFound extends DataReport {
  /** Number of training images of each class, in the order of `classes`. */
  classCounts: number[];
}

/**
 * Decodes every image of a data configuration once and reports what there is to train on. Checks the checksums of a
 * packed folder.
 * @throws ImageDataError for a path without usable images, or a damaged packed folder
 *
 * @example
 * ```ts
 * const found = await inspectImages({ path: 'photos', size: 64 });
 * console.log(describeImages(found));
 * ```
 */
export async function inspectImages(
  config: DataConfig,
  options: OpenImagesOptions = {},
): Promise<ImagesFound> {
  const { train, report, index, close } = await openImages(config, { ...options, decodeAll: true });
  try {
    if (index) await checkShards(config.path, index, options);
    const classCounts = report.classes.map(() => 0);
    if (classCounts.length > 0) {
      for (let i = 0; i < train.length; i++) {
        const label = train.label(i) as number;
        classCounts[label] = (classCounts[label] ?? 0) + 1;
      }
    }
    return { ...report, classCounts };
  } finally {
    await close();
  }
}

async function checkShards(folder: string, index: PackIndex, options: OpenImagesOptions): Promise<void> {
  const shards = [...index.shards, ...(index.names ? [index.names] : [])];
  const total = shards.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const { file, sha256 } of shards) {
    const hash = createHash('sha256');
    for await (const part of createReadStream(systemPath(join(await recoverPath(folder), file)))) {
      options.signal?.throwIfAborted();
      hash.update(part as Buffer);
      done += (part as Buffer).length;
      options.onProgress?.('checking pixels', done, total);
    }
    if (hash.digest('hex') !== sha256) {
      throw new ImageDataError(
        join(folder, file),
        'its contents have changed since it was written; pack the images again with: npx tessera-torch data pack',
      );
    }
  }
}

/**
 * Formats the findings as lines of text.
 *
 * @example
 * ```ts
 * console.log(describeImages(await inspectImages({ path: 'photos', size: 64 })));
 * ```
 */
export function describeImages(found: ImagesFound): string {
  const { kind, path, size, train, heldOut, skipped, classes, classCounts } = found;
  const lines = [
    `${path} (${kind}): ${train + heldOut} images at ${size} × ${size}: ${train} to train on, ${heldOut} held out`,
  ];
  if (classes.length > 0) {
    lines.push(
      `${classes.length} classes: ${classes.map((name, i) => `${name} ${classCounts[i]}`).join(', ')}`,
    );
  }
  if (found.duplicates > 0) {
    lines.push(`copies of others: ${found.duplicates} (copies are on the same side of the split)`);
  }
  if (found.enlarged > 0) {
    lines.push(`smaller than ${size} pixels: ${found.enlarged} (enlarged; a smaller data.size avoids it)`);
  }
  if (hasOtherPictures(found.ignoredKinds)) lines.push(...passedOver(found.ignoredKinds));
  else if (found.ignored > 0) lines.push(`other files, ignored because of their extension: ${found.ignored}`);
  if (skipped.length > 0) lines.push(`left out because they cannot be used: ${skipped.length}`);
  for (const { path: file, reason } of skipped) lines.push(`  ${shownPath(file)}: ${reason}`);
  return lines.join('\n');
}
