import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { DataConfig } from '../../../data/index.js';
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
} from '../../../data/index.js';
import { shownPath } from '../../../files/file-names.js';
import { passedOver } from '../../../data/find-images.js';
import type { DataReport } from '../../../data/index.js';
import { interruptSignal } from '../../interrupt.js';
import { paint, terminalProgress } from '../../terminal.js';

const sources = 'a folder of pictures, a .txt list of them, a packed folder, or: scenes, emoji';

/** `tessera-torch data`: looks at pictures before training, and prepares them. */
export function dataCommand(data: Command): Command {
  const commands = [inspectCommand(), packCommand(), previewCommand(), scenesCommand(), emojiCommand()];
  for (const command of commands) {
    // Commands inherit this only when made by their parent.
    command.exitOverride().showHelpAfterError(`(npx tessera-torch data ${command.name()} --help)`);
    data.addCommand(command);
  }
  return data;
}

interface SourceFlags {
  size?: number;
  heldOut: number;
  onError: 'skip' | 'stop';
  count?: number;
  seed?: number;
}

/** A command that reads pictures. */
function sourceCommand(name: string): Command {
  return new Command(name)
    .argument('<pictures>', sources)
    .option('--size <pixels>', 'side of the training squares (default: 64, or as packed)', integer(1))
    .option('--held-out <share or count>', 'pictures kept out of training', share, 0.05)
    .addOption(
      new Option('--on-error <what>', 'leave undecodable pictures out, or stop at the first')
        .choices(['skip', 'stop'])
        .default('skip'),
    )
    .option('--count <n>', 'scenes and emoji: how many (default: 4096)', integer(2))
    .option('--seed <n>', 'scenes and emoji: which series (default: 1)', integer());
}

function inspectCommand(): Command {
  return sourceCommand('inspect')
    .description('decode every picture and tell what there is to train on')
    .option('--json', 'print the findings as JSON')
    .action(async (path: string, flags: SourceFlags & { json?: boolean }) => {
      const config = await configOf(path, flags);
      const found = await withProgress((options) => inspectImages(config, options));
      console.log(flags.json ? JSON.stringify(found, null, 2) : describeImages(found));
    });
}

interface PackFlags {
  overwrite?: boolean;
  maps?: boolean;
}

function packCommand(): Command {
  return sourceCommand('pack')
    .description('decode pictures once into a folder that training reads fast')
    .argument('<folder>', 'where the packed pictures go')
    .option('--overwrite', 'replace an older packed folder')
    .option('--maps', 'pack segmentation and depth of the built-in scenes too')
    .action(async (path: string, folder: string, flags: SourceFlags & PackFlags) => {
      const { overwrite = false, maps = false } = flags;
      const config = await configOf(path, flags);
      const packed = await withProgress((options) =>
        packImages(config, folder, { ...options, overwrite, maps }),
      );
      tellUnused(packed);
      console.log(
        `${packed.images} pictures packed into ${folder} (${megabytes(packed.bytes)}); train on them with: ` +
          `npx tessera-torch train vqgan --data ${folder} data.size=${config.size}`,
      );
    });
}

function previewCommand(): Command {
  return sourceCommand('preview')
    .description('draw a grid of pictures as training sees them, cut and mirrored')
    .argument('<png>', 'the picture to write')
    .option('--pictures <n>', 'how many', integer(1), 36)
    .option('--scale <n>', 'enlarge each so many times', integer(1), 1)
    .action(async (path: string, png: string, flags: SourceFlags & { pictures: number; scale: number }) => {
      const { pictures: batchSize, scale } = flags;
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
        console.log(`${png}: ${batchSize} crops of ${train.length} pictures`);
      } finally {
        await close();
      }
    });
}

interface FolderFlags {
  count: number;
  size: number;
  seed: number;
}

/** A command that writes a folder of pictures. */
function folderCommand(name: string): Command {
  return new Command(name)
    .argument('<folder>', 'a folder that is not there yet')
    .option('--count <n>', 'how many pictures', integer(1), 1000)
    .option('--size <pixels>', 'their side', integer(16), 64)
    .option('--seed <n>', 'which series', integer(), 1);
}

function scenesCommand(): Command {
  return folderCommand('scenes')
    .description('write little landscapes as PNG files, and their classes as scenes.json')
    .action(async (folder: string, { count, size, seed }: FolderFlags) => {
      await withProgress((options) => writeScenes(folder, { ...options, seed, count, width: size }));
      console.log(`${count} scenes in ${folder}`);
    });
}

function emojiCommand(): Command {
  return folderCommand('emoji')
    .description('write emoji on pastel grounds as PNG files, a sub-folder a class')
    .action(async (folder: string, { count, size, seed }: FolderFlags) => {
      await withProgress((options) => writeEmoji(folder, { ...options, seed, count, size }));
      console.log(`${count} emoji in ${join(folder, '<class>')}`);
    });
}

async function configOf(path: string, flags: SourceFlags): Promise<DataConfig> {
  const size = flags.size ?? (await packedSize(path)) ?? 64;
  const { heldOut, onError, count, seed } = flags;
  return {
    path,
    size,
    heldOut,
    onError,
    ...(count !== undefined && { count }),
    ...(seed !== undefined && { seed }),
  };
}

interface Watch {
  onProgress: (label: string, done: number, total: number) => void;
  signal: AbortSignal;
}

async function withProgress<T>(work: (options: Watch) => Promise<T>): Promise<T> {
  const progress = terminalProgress();
  const begun = performance.now();
  // What is done in a moment needs no bar.
  const onProgress: Watch['onProgress'] = (label, done, total) => {
    if (performance.now() - begun > 1000) progress.step(label, done, total);
  };
  try {
    return await work({ onProgress, signal: interruptSignal() });
  } finally {
    progress.end();
  }
}

/** Names the files that were not used. */
function tellUnused({ skipped, ignoredKinds }: Pick<DataReport, 'skipped' | 'ignoredKinds'>): void {
  const say = (what: string, text: string) =>
    process.stderr.write(`${paint('yellow', what, process.stderr)} ${text}\n`);
  for (const { path, reason } of skipped) say('left out', `${shownPath(path)}: ${reason}`);
  for (const text of passedOver(ignoredKinds)) say('note:', text);
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function integer(least = Number.MIN_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(
        least === Number.MIN_SAFE_INTEGER ? 'It must be an integer.' : `It must be an integer from ${least}.`,
      );
    }
    return value;
  };
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0) || (value >= 1 && !Number.isSafeInteger(value))) {
    throw new InvalidArgumentError('It must be a share below 1, or a whole number of pictures.');
  }
  return value;
}
