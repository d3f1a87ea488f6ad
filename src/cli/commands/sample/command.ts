import type { FilterOptions } from '../../../sampling/logits.js';
import type { Device } from '../../../torch/index.js';
import { type Command, InvalidArgumentError } from 'commander';

export interface SampleFlags extends Omit<FilterOptions, 'nCodes' | 'temperature'> {
  n: number;
  temperature: number;
  seed: number;
  class?: string;
  out?: string;
  grid?: boolean;
  batch: number;
  device: 'auto' | Device;
  json?: boolean;
  quiet?: boolean;
}

/** `tessera-torch sample`: new pictures from a trained transformer. */
export function sampleCommand(command: Command): Command {
  return command
    .argument('<run>', 'run folder of a transformer')
    .option('--n <count>', 'how many pictures', integer, 16)
    .option('--top-k <k>', 'draw from the k likeliest codes only: fewer is tamer; default 100', integer)
    .option(
      '--top-p <p>',
      'draw from the likeliest codes that make up this probability; default 1, all',
      share,
    )
    .option(
      '--temperature <t>',
      'below 1 is tamer, above 1 is wilder; 0 takes the likeliest code each time, so that pictures are alike',
      notNegative,
      1,
    )
    .option('--seed <seed>', 'the same seed gives the same pictures', natural, 1)
    .option('--class <class>', 'class to draw, its name or number, for a model trained on classes')
    .option('--out <folder>', 'where the PNGs go; default: samples in the run folder')
    .option('--grid', 'one picture, grid.png, instead of one file each')
    .option('--batch <count>', 'pictures drawn at a time', integer, 16)
    .option('--device <device>', 'auto, cpu or cuda:0', 'auto')
    .option('--json', 'one JSON object a picture instead of text')
    .option('--quiet', 'print errors only')
    .addHelpText(
      'after',
      `
Every PNG holds its recipe (EXIF ImageDescription), and samples.json beside them holds it too.

Examples:
  $ npx tessera-torch sample runs/transformer --grid
  $ npx tessera-torch sample runs/transformer --n 64 --top-k 50 --temperature 0.9 --out new
  $ npx tessera-torch sample runs/birds --class robin --seed 7`,
    )
    .action(async (run: string, flags: SampleFlags) => {
      const { sample } = await import('./run.js');
      await sample(run, flags);
    });
}

function number(text: string, fits: (value: number) => boolean, wanted: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!fits(value)) throw new InvalidArgumentError(`It must be ${wanted}.`);
  return value;
}

const integer = (text: string) =>
  number(text, (v) => Number.isSafeInteger(v) && v > 0, 'a whole number from 1');
const natural = (text: string) =>
  number(text, (v) => Number.isSafeInteger(v) && v >= 0, 'a whole number from 0');
const notNegative = (text: string) => number(text, (v) => v >= 0 && v < Infinity, 'a number from 0');
const share = (text: string) => number(text, (v) => v > 0 && v <= 1, 'a number above 0, at most 1');
