import { Command, Option } from 'commander';
import type { BuiltIn } from '../../../data/built-in/built-in.js';
import { choice, numeric, onDemand } from '../../arguments.js';

const sources =
  'a folder of images, a .txt, .jsonl, .csv or .tsv list of them, tar archives, a packed folder, or: scenes, emoji';

/** Defines `tessera-torch data`, which inspects images before training and prepares them. */
export function dataCommand(data: Command): Command {
  return data
    .addCommand(inspectCommand())
    .addCommand(packCommand())
    .addCommand(previewCommand())
    .addCommand(
      folderCommand('scenes', 'write small landscapes as PNG files, and their classes as scenes.json'),
    )
    .addCommand(
      folderCommand('emoji', 'write emoji on pastel backgrounds as PNG files, one sub-folder per class'),
    );
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
  const onError = 'skip images that cannot be decoded, or stop at the first';
  return new Command(name)
    .argument('<images>', sources)
    .option('--size <pixels>', 'side of the training squares (default: 64, or as packed)', integer(1))
    .option('--held-out <share or count>', 'images held out of training', share, 0.05)
    .addOption(choice('--on-error <what>', onError, ['skip', 'stop'], 'skip'))
    .option('--count <n>', 'scenes and emoji: number of images (default: 4096)', integer(2))
    .option('--seed <n>', 'scenes and emoji: seed of the series (default: 1)', integer());
}

function inspectCommand(): Command {
  return sourceCommand('inspect')
    .description('decode every image and report what there is to train on')
    .option('--json', 'print the findings as JSON')
    .action(onDemand(async () => (await import('./run.js')).inspect));
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
    .option(
      '--maps',
      'also pack the maps that a list names, or segmentation and depth of the built-in scenes',
    )
    .action(onDemand(async () => (await import('./run.js')).pack));
}

export interface PreviewFlags {
  images: number;
  /** Former name of `images`, still accepted. */
  pictures?: number;
  scale: number;
}

function previewCommand(): Command {
  return sourceCommand('preview')
    .description('draw a grid of images as training sees them, cropped and mirrored')
    .argument('<png>', 'the PNG file to write')
    .option('--images <n>', 'number of images', integer(1), 36)
    .addOption(new Option('--pictures <n>', 'former name of --images').argParser(integer(1)).hideHelp())
    .option('--scale <n>', 'factor to enlarge each image by', integer(1), 1)
    .action(onDemand(async () => (await import('./run.js')).preview));
}

export interface FolderFlags {
  count: number;
  size: number;
  seed: number;
}

/** Creates a command that writes a folder of built-in images. */
function folderCommand(name: BuiltIn, description: string): Command {
  return new Command(name)
    .description(description)
    .argument('<folder>', 'the new folder')
    .option('--count <n>', 'number of images', integer(1), 1000)
    .option('--size <pixels>', 'side of the images', integer(16), 64)
    .option('--seed <n>', 'seed of the series', integer(), 1)
    .action(onDemand(async () => (await import('./run.js')).draw[name]));
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
