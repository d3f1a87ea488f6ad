import { Command, InvalidArgumentError, Option } from 'commander';

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

export interface SourceFlags {
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
      await (await import('./run.js')).inspect(path, flags);
    });
}

export interface PackFlags {
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
      await (await import('./run.js')).pack(path, folder, flags);
    });
}

export interface PreviewFlags {
  pictures: number;
  scale: number;
}

function previewCommand(): Command {
  return sourceCommand('preview')
    .description('draw a grid of pictures as training sees them, cut and mirrored')
    .argument('<png>', 'the picture to write')
    .option('--pictures <n>', 'how many', integer(1), 36)
    .option('--scale <n>', 'enlarge each so many times', integer(1), 1)
    .action(async (path: string, png: string, flags: SourceFlags & PreviewFlags) => {
      await (await import('./run.js')).preview(path, png, flags);
    });
}

export interface FolderFlags {
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
    .action(async (folder: string, flags: FolderFlags) => {
      await (await import('./run.js')).drawScenes(folder, flags);
    });
}

function emojiCommand(): Command {
  return folderCommand('emoji')
    .description('write emoji on pastel grounds as PNG files, a sub-folder a class')
    .action(async (folder: string, flags: FolderFlags) => {
      await (await import('./run.js')).drawEmoji(folder, flags);
    });
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
