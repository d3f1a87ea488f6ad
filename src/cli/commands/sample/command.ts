import type { GuidanceOptions, GuidanceSchedule } from '../../../sampling/guidance.js';
import type { FilterOptions } from '../../../sampling/logits.js';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { numeric, positiveInteger } from '../../arguments.js';
import { withModelFlags, type ModelFlags } from '../../model-flags.js';

export interface SampleFlags
  extends ModelFlags, Omit<FilterOptions, 'nCodes' | 'temperature'>, GuidanceOptions {
  n: number;
  temperature: number;
  seed: number;
  class?: string;
  condition?: string;
  out?: string;
  grid?: boolean;
  batch: number;
  json?: boolean;
  quiet?: boolean;
}

/** Defines `tessera-torch sample`, which generates images with a trained transformer. */
export function sampleCommand(command: Command): Command {
  command
    .argument('<run>', 'run folder of a transformer')
    .option('--n <count>', 'number of images', positiveInteger, 16)
    .option('--top-k <k>', 'sample only from the k most likely codes; default 100', positiveInteger)
    .option(
      '--top-p <p>',
      'sample only from the most likely codes with this total probability; default 1: all',
      share,
    )
    .option(
      '--min-p <p>',
      'sample only from codes at least this share as likely as the likeliest; default 0: all',
      shareOrNone,
    )
    .option(
      '--repetition-penalty <x>',
      "above 1: the image's codes so far become less likely; default 1: off",
      positiveNumber,
    )
    .option(
      '--guidance <s>',
      'classifier-free guidance: above 1, images follow the class or map more closely; default 1: none',
      notNegative,
    )
    .addOption(
      new Option('--guidance-schedule <name>', 'how guidance grows over the codes; default constant').choices(
        guidanceSchedules,
      ),
    )
    .option('--guidance-power <p>', "power of the cosine schedule's place; default 1", notNegative)
    .option('--guidance-interval <A,B>', 'guide the codes from A up to before B only; default: all', interval)
    .option(
      '--temperature <t>',
      'below 1: less variety, above 1: more; 0 always takes the most likely code, so that all images are alike',
      notNegative,
      1,
    )
    .option('--seed <seed>', 'the same seed gives the same images', natural, 1)
    .option('--class <class>', 'name or number of the class to draw, for a class-conditional model')
    .option(
      '--condition <file>',
      'what to draw for, if the model was trained on it: a grey image of the map, a photograph or its edges, a small image, JSON of the layout, or vectors (.npy, .safetensors)',
    )
    .option('--out <folder>', 'folder for the PNG files; default: samples in the run folder, or here')
    .option('--grid', 'write one image, grid.png, instead of one file each')
    .option('--batch <count>', 'number of images drawn at a time', positiveInteger, 16);
  return withModelFlags(command, 'the transformer')
    .option('--json', 'print one JSON object per image instead of text')
    .option('--quiet', 'print errors only')
    .addHelpText(
      'after',
      `
Every PNG contains its recipe (EXIF ImageDescription), and so does samples.json in the same folder.

Examples:
  $ npx tessera-torch sample runs/transformer --grid
  $ npx tessera-torch sample runs/transformer --n 64 --top-k 50 --temperature 0.9 --out new
  $ npx tessera-torch sample runs/birds --class robin --seed 7
  $ npx tessera-torch sample runs/from-depth --condition depth.png --n 4
  $ npx tessera-torch sample cin_transformer.ckpt --config cin_transformer.yaml --class 207`,
    )
    .action(async (run: string, flags: SampleFlags) => {
      const { sample } = await import('./run.js');
      await sample(run, flags);
    });
}

// Not imported from guidance.ts, which loads libtorch.
const guidanceSchedules: readonly GuidanceSchedule[] = ['constant', 'linear', 'cosine'];

function interval(text: string): [number, number] {
  const [from, to, ...more] = text.split(',').map(Number);
  if (from! >= 0 && to! > from! && more.length === 0 && [from, to].every(Number.isSafeInteger))
    return [from!, to!];
  throw new InvalidArgumentError('It must be two integers A,B with 0 ≤ A < B, such as 16,256.');
}

const natural = numeric((n) => Number.isSafeInteger(n) && n >= 0, 'a non-negative integer');
const notNegative = numeric((n) => n >= 0 && n < Infinity, 'a non-negative number');
const positiveNumber = numeric((n) => n > 0 && n < Infinity, 'a number above 0');
const shareOrNone = numeric((n) => n >= 0 && n <= 1, 'a number from 0 to 1');
const share = numeric((n) => n > 0 && n <= 1, 'a number above 0 and at most 1');
