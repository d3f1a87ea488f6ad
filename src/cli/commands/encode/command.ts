import type { Command } from 'commander';
import type { FixedViews } from '../../../data/batches/views.js';
import type { Fit, Padding } from '../../../tokenizer/fit.js';
import { templateNames, type TemplateName } from '../../../tokenizer/templates.js';
import { choice, numeric, onDemand, positiveInteger } from '../../arguments.js';
import { withOutputFlags, withTokenFlags, type TokenFlags } from '../../token-flags.js';

/** Formats of token files. */
export type TokenFormat = 'jsonl' | 'npy' | 'safetensors';

export interface EncodeFlags extends TokenFlags {
  to: TokenFormat;
  shard?: number;
  size?: number;
  square?: boolean;
  fit: Fit;
  padding: Padding;
  template?: TemplateName;
  /** Crops of each image, for a set to train on; none: each image as a whole. */
  views?: number;
  crop?: FixedViews['crop'];
  flip?: FixedViews['flip'];
  seed?: number;
}

/** Defines `tessera-torch encode`, which writes the tokens of images. */
export function encodeCommand(command: Command): Command {
  const fits: readonly Fit[] = ['crop', 'pad', 'resize'];
  const paddings: readonly Padding[] = ['reflect', 'replicate'];
  const crops: readonly FixedViews['crop'][] = ['random', 'resized', 'center'];
  const flips: readonly FixedViews['flip'][] = ['random', 'both', 'none'];
  command
    .argument('<run>', 'run folder of a VQGAN, or of a transformer, whose first stage is used')
    .argument('<paths...>', 'image files, folders of them, or lists (.txt, one path per line)')
    .option('--out <folder>', 'folder for the token files', 'tokens')
    .addOption(choice('--to <format>', 'format of the token files', ['jsonl', 'npy', 'safetensors'], 'jsonl'))
    .option(
      '--shard <count>',
      'images per token file; default 1000, but without it --to npy writes one file per image',
      positiveInteger,
    )
    .option('--size <pixels>', 'shorter side of the images; default: as in training', positiveInteger)
    .option('--square', 'crop the centre square, so that all images have the same grid')
    .addOption(choice('--fit <how>', 'make both sides multiples of the pixels per code', fits, 'crop'))
    .addOption(
      choice('--padding <content>', 'what --fit pad adds at the right and the bottom', paddings, 'reflect'),
    )
    .addOption(
      choice(
        '--template <model>',
        'add the text of each image as that language model writes it',
        templateNames,
      ),
    )
    .option(
      '--views <count>',
      'make a set to train a transformer on: the central crop and other crops of each image, with its class',
      positiveInteger,
    )
    .addOption(choice('--crop <how>', 'the other crops of --views; default random', crops))
    .addOption(
      choice(
        '--flip <how>',
        'with --views, mirror half of the other crops, have each crop also mirrored, or none; default random',
        flips,
      ),
    )
    .option(
      '--seed <number>',
      'seed of the crops of --views; default 1',
      numeric(Number.isSafeInteger, 'an integer'),
    );
  return withOutputFlags(withTokenFlags(command, 'added to'), 'token file')
    .addHelpText(
      'after',
      `
jsonl: a line {"file", "grid": [h, w], "ids": [...]} per image, row by row; with --template also "text".
npy: int32 [h, w] per image; with --shard [N, h, w] per file, and the file names in a .json next to it.
safetensors: "ids", int32 [N, h, w], with the file names in the metadata.
With --markers the ids of an image are one sequence: begin, (ids, row) for each row, end.
Images of a shard whose grids differ are in one array for each grid, such as "ids.16x24".
With --views one path is named, as for train --data; the rows of an image follow each other. The set is then --data of
train transformer.

A killed run continues where it stopped if it is repeated with the same settings.

Examples:
  $ npx tessera-torch encode runs/vqgan photos --square
  $ npx tessera-torch encode runs/vqgan photos --to safetensors --square --shard 5000 --precision bfloat16
  $ npx tessera-torch encode runs/vqgan photos --views 8 --to safetensors --out tokens
  $ npx tessera-torch encode last.ckpt list.txt --config imagenet --offset 32000 --markers 33024,33025,33026`,
    )
    .action(onDemand(async () => (await import('./run.js')).encode));
}
