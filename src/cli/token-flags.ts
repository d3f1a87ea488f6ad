/** Flags that `encode` and `decode` share. */
import { type Command, InvalidArgumentError } from 'commander';
import { natural, numeric, positiveInteger } from './arguments.js';
import type { TokenizerDType } from '../tokenizer/dtype.js';
import type { Markers } from '../tokenizer/sequence.js';
import { withModelFlags, type ModelFlags } from './model-flags.js';

export interface TokenFlags extends ModelFlags {
  out: string;
  batch: number;
  tile?: number;
  overlap?: number;
  offset: number;
  markers?: Markers;
  precision: TokenizerDType;
}

/** Adds the shared flags. */
export function withTokenFlags(command: Command, how: string): Command {
  command
    .option('--offset <number>', `${how} every id, where the ids of images begin in a vocabulary`, natural, 0)
    .option(
      '--markers <begin,row,end>',
      'three numbers: a token before the image, one after each row, one after the image',
      markers,
    )
    .option('--batch <count>', 'images of equal size that run together', positiveInteger, 16)
    .option(
      '--tile <pixels>',
      'side of overlapping tiles, for images too large for the memory',
      positiveInteger,
    )
    .option(
      '--overlap <pixels>',
      'what neighbouring tiles share; default a quarter of --tile',
      positiveInteger,
    );
  return withModelFlags(command, 'the encoder and the decoder');
}

/** Adds the flags of the output, which come last. */
export function withOutputFlags(command: Command, per: string): Command {
  return command
    .option('--json', `print one JSON object per ${per} instead of text`)
    .option('--quiet', 'print errors only');
}

const isNatural = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

function markers(text: string): Markers {
  const wanted = 'three non-negative integers, begin,row,end, such as 8197,8198,8199';
  const [begin, row, end, ...more] = text.split(',').map(numeric(isNatural, wanted));
  if (end === undefined || more.length > 0) throw new InvalidArgumentError(`It must be ${wanted}.`);
  return { begin: begin!, row: row!, end };
}
