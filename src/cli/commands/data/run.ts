import { join } from 'node:path';
import {
  describeImages,
  inspectImages,
  Loader,
  openImages,
  packedSize,
  packImages,
  saveImageGrid,
  writeEmoji,
  writeScenes,
  type DataConfig,
  type DataReport,
} from '../../../data/index.js';
import type { BuiltIn } from '../../../data/built-in/built-in.js';
import type { ImageFilesOptions } from '../../../data/files/image-files.js';
import { passedOver } from '../../../data/files/find-images.js';
import { shownPath } from '../../../files/file-names.js';
import { interruptSignal } from '../../interrupt.js';
import { paint, terminalProgress } from '../../terminal.js';
import type { FolderFlags, PackFlags, PreviewFlags, SourceFlags } from './command.js';

export async function inspect(path: string, flags: SourceFlags & { json?: boolean }): Promise<void> {
  const config = await configOf(path, flags);
  const found = await withProgress((options) => inspectImages(config, options));
  console.log(flags.json ? JSON.stringify(found, null, 2) : describeImages(found));
}

export async function pack(path: string, folder: string, flags: SourceFlags & PackFlags): Promise<void> {
  const { overwrite = false, maps = false } = flags;
  const config = await configOf(path, flags);
  const packed = await withProgress((options) => packImages(config, folder, { ...options, overwrite, maps }));
  tellUnused(packed);
  console.log(
    `${packed.images} images packed into ${folder} (${megabytes(packed.bytes)}); train on them with: ` +
      `npx tessera-torch train vqgan --data ${folder} data.size=${config.size}`,
  );
}

export async function preview(path: string, png: string, flags: SourceFlags & PreviewFlags): Promise<void> {
  const { images: count, pictures: batchSize = count, scale } = flags;
  const config = await configOf(path, flags);
  const { train, report, close } = await withProgress((options) =>
    openImages(config, { ...options, decodeAll: false }),
  );
  try {
    const loader = new Loader(train, { batchSize, prefetch: 0, seed: flags.seed ?? 1 });
    const { images } = await loader.next();
    await saveImageGrid(png, images, { scale });
    loader.close();
    tellUnused(report);
    console.log(`${png}: ${batchSize} crops of ${train.length} images`);
  } finally {
    await close();
  }
}

export const draw: Record<BuiltIn, (folder: string, flags: FolderFlags) => Promise<void>> = {
  scenes: drawScenes,
  emoji: drawEmoji,
};

async function drawScenes(folder: string, { count, size, seed }: FolderFlags): Promise<void> {
  await withProgress((options) => writeScenes(folder, { ...options, seed, count, width: size }));
  console.log(`${count} scenes in ${folder}`);
}

async function drawEmoji(folder: string, { count, size, seed }: FolderFlags): Promise<void> {
  await withProgress((options) => writeEmoji(folder, { ...options, seed, count, size }));
  console.log(`${count} emoji in ${join(folder, '<class>')}`);
}

async function configOf(path: string, flags: SourceFlags): Promise<DataConfig> {
  const size = flags.size ?? (await packedSize(path)) ?? 64;
  const { heldOut, onError, count, seed } = flags;
  const series = { ...(count !== undefined && { count }), ...(seed !== undefined && { seed }) };
  return { path, size, heldOut, onError, ...series };
}

type Watch = Pick<ImageFilesOptions, 'onProgress' | 'signal'>;

async function withProgress<T>(work: (options: Watch) => Promise<T>): Promise<T> {
  const progress = terminalProgress();
  const begun = performance.now();
  // Work that takes less than a second needs no bar.
  const onProgress: Watch['onProgress'] = (label, done, total) => {
    if (performance.now() - begun > 1000) progress.step(label, done, total);
  };
  try {
    return await work({ onProgress, signal: interruptSignal() });
  } finally {
    progress.end();
  }
}

/** Prints the files that were not used. */
function tellUnused({ skipped, ignoredKinds }: Pick<DataReport, 'skipped' | 'ignoredKinds'>): void {
  const say = (what: string, text: string) =>
    process.stderr.write(`${paint('yellow', what, process.stderr)} ${text}\n`);
  for (const { path, reason } of skipped) say('left out', `${shownPath(path)}: ${reason}`);
  for (const text of passedOver(ignoredKinds)) say('note:', text);
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
