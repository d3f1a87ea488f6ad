import { Command, Option } from 'commander';
import { numeric } from '../../arguments.js';

const sources = 'a folder of images, a .txt list of them, a packed folder, or: scenes, emoji';

/** Defines `tessera-torch data`, which inspects images before training and prepares them. */
export function dataCommand(data: Command): Command {
  const commands = [inspectCommand(), packCommand(), previewCommand(), scenesCommand(), emojiCommand()];
  for (const command of commands) {
    // Commands inherit these options only if their parent creates them.
    command.exitOverride().showHelpAfterError(`(npx tessera-torch data ${command.name()} --help)`);
    data.addCommand(command);
  }
  return data;
}

export interface SourceFlags {
  size?: number;
  heldOut: number;
  onError: 'skip' | 'stop';
  count?: number;
  seed?: number;
}

/** Creates a command that reads images. */
function sourceCommand(name: string): Command {
  return new Command(name)
    .argument('<images>', sources)
    .option('--size <pixels>', 'side of the training squares (default: 64, or as packed)', integer(1))
    .option('--held-out <share or count>', 'images held out of training', share, 0.05)
    .addOption(
      new Option('--on-error <what>', 'skip images that cannot be decoded, or stop at the first')
        .choices(['skip', 'stop'])
        .default('skip'),
    )
    .option('--count <n>', 'scenes and emoji: number of images (default: 4096)', integer(2))
    .option('--seed <n>', 'scenes and emoji: seed of the series (default: 1)', integer());
}

function inspectCommand(): Command {
  return sourceCommand('inspect')
    .description('decode every image and report what there is to train on')
    .option('--json', 'print the findings as JSON')
    .action(async (path: string, flags: SourceFlags & { json?: boolean }) => {
      await (await import('./run.js')).inspect(path, flags);
    });
}

export interface PackFlags {
  overwrite?: boolean;
  maps?: boolean;
}

function packCommand(): Command {
  return sourceCommand('pack')
    .description('decode images once into a folder that training reads fast')
    .argument('<folder>', 'folder for the packed images')
    .option('--overwrite', 'replace an existing packed folder')
    .option('--maps', 'also pack segmentation and depth of the built-in scenes')
    .action(async (path: string, folder: string, flags: SourceFlags & PackFlags) => {
      await (await import('./run.js')).pack(path, folder, flags);
    });
}

export interface PreviewFlags {
  pictures: number;
  scale: number;
}

function previewCommand(): Command {
  return sourceCommand('preview')
    .description('draw a grid of images as training sees them, cropped and mirrored')
    .argument('<png>', 'the PNG file to write')
    .option('--pictures <n>', 'number of images', integer(1), 36)
    .option('--scale <n>', 'factor to enlarge each image by', integer(1), 1)
    .action(async (path: string, png: string, flags: SourceFlags & PreviewFlags) => {
      await (await import('./run.js')).preview(path, png, flags);
    });
}

export interface FolderFlags {
  count: number;
  size: number;
  seed: number;
}

/** Creates a command that writes a folder of images. */
function folderCommand(name: string): Command {
  return new Command(name)
    .argument('<folder>', 'the new folder')
    .option('--count <n>', 'number of images', integer(1), 1000)
    .option('--size <pixels>', 'side of the images', integer(16), 64)
    .option('--seed <n>', 'seed of the series', integer(), 1);
}

function scenesCommand(): Command {
  return folderCommand('scenes')
    .description('write small landscapes as PNG files, and their classes as scenes.json')
    .action(async (folder: string, flags: FolderFlags) => {
      await (await import('./run.js')).drawScenes(folder, flags);
    });
}

function emojiCommand(): Command {
  return folderCommand('emoji')
    .description('write emoji on pastel backgrounds as PNG files, one sub-folder per class')
    .action(async (folder: string, flags: FolderFlags) => {
      await (await import('./run.js')).drawEmoji(folder, flags);
    });
}

const integer = (least = Number.MIN_SAFE_INTEGER) =>
  numeric(
    (n) => Number.isSafeInteger(n) && n >= least,
    least === Number.MIN_SAFE_INTEGER ? 'an integer' : `an integer of at least ${least}`,
  );

const share = numeric(
  (n) => n >= 0 && (n < 1 || Number.isSafeInteger(n)),
  'a share below 1, or a whole number of images',
);
