import type { GuidanceOptions, GuidanceSchedule } from '../../../sampling/guidance.js';
import { flaggedFilters, type FilterOptions } from '../../../sampling/filters.js';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { natural, numeric, onDemand, positiveInteger } from '../../arguments.js';
import { withModelFlags, type ModelFlags } from '../../model-flags.js';
import { withOutputFlags } from '../../token-flags.js';
import type { Kept, PhotoFlags } from './photo.js';
import type { PixelSize } from './size.js';

export interface SampleFlags
  extends ModelFlags, Omit<FilterOptions, 'nCodes' | 'temperature'>, GuidanceOptions, PhotoFlags {
  raw?: boolean;
  n: number;
  temperature: number;
  seed: number;
  class?: string;
  condition?: string;
  layout?: string;
  allClasses?: boolean;
  greedy?: boolean;
  seeds?: number[];
  perImageSeeds?: boolean;
  gallery?: boolean;
  /** Number of codes between partial images; true: a row of codes. */
  stream?: number | true;
  /** Path of an animated WebP or GIF. */
  animate?: string;
  out?: string;
  grid?: boolean;
  batch: number;
}

/** Defines `tessera-torch sample`, which generates images with a trained transformer. */
export function sampleCommand(command: Command): Command {
  command
    .argument('<run>', 'run folder of a transformer')
    .option('--n <count>', 'number of images, of each class if there are several', positiveInteger, 16);
  for (const { fits, flag } of flaggedFilters())
    command.option(flag.name, flag.help, numeric(fits, flag.wanted));
  command
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
    .addOption(
      new Option('--greedy', 'always take the most likely code, as --temperature 0').conflicts('temperature'),
    )
    .option('--seed <seed>', 'the same seed gives the same images', natural, 1)
    .addOption(
      new Option('--seeds <list>', 'draw an image for each seed, such as 3,4,5, which depends on it alone')
        .argParser(seedList)
        .conflicts(['seed', 'n', 'perImageSeeds']),
    )
    .option(
      '--per-image-seeds',
      'give each image a seed of its own, from --seed on, on which it depends alone',
    )
    .option('--class <classes>', 'names or numbers of the classes to draw, for a class-conditional model')
    .addOption(new Option('--all-classes', 'draw --n images of each class').conflicts('class'))
    .option(
      '--condition <file>',
      'what to draw for, if the model was trained on it: a grey image of the map, a photograph or its edges, a small image, JSON of the layout, or vectors (.npy, .safetensors)',
    )
    .addOption(
      new Option('--layout <file>', 'JSON of the layout to draw, for a model trained on layouts').conflicts(
        'condition',
      ),
    )
    .option(
      '--size <WxH>',
      'width and height in pixels, such as 1024x256, of images larger than the trained ones',
      pixelSize,
    )
    .option('--image <file>', 'image to complete: with --mask or --keep, or around it with --size')
    .addOption(
      new Option('--mask <file>', 'image of the same size: white is drawn, black is kept').conflicts('keep'),
    )
    .option(
      '--keep <part>',
      'top or left: keep that half; a number below 1: the share of its codes',
      keptPart,
    )
    .option('--at <X,Y>', 'where the image lies in --size, in pixels; default: in the middle', place)
    .addOption(
      new Option(
        '--raw',
        'also write completed images as they are decoded, without the given pixels',
      ).conflicts('grid'),
    )
    .addOption(
      new Option(
        '--vary <file>',
        'image of which variations are drawn, by drawing its least likely codes again',
      ).conflicts(['image', 'size']),
    )
    .option('--share <share>', 'share of the codes that --vary draws again; default 0.3', share)
    .option('--out <folder>', 'folder for the PNG files; default: samples in the run folder, or here')
    .option('--grid', 'write one image, grid.png, instead of one file each')
    .option(
      '--stream [codes]',
      'write images of the codes so far to the same files, each time after this number of codes; default: a row of codes',
      positiveInteger,
    )
    .option(
      '--animate <file>',
      'WebP or GIF that shows how the codes of the first batch are drawn',
      animation,
    )
    .option('--gallery', 'also write gallery.html, one page with all images and their settings')
    .option('--batch <count>', 'number of images drawn at a time', positiveInteger, 16);
  return withOutputFlags(withModelFlags(command, 'the transformer'), 'image')
    .addHelpText(
      'after',
      `
Every PNG contains its recipe (EXIF ImageDescription), and so does samples.json in the same folder.

Examples:
  $ npx tessera-torch sample runs/transformer --grid
  $ npx tessera-torch sample runs/transformer --n 64 --top-k 50 --temperature 0.9 --out new
  $ npx tessera-torch sample runs/birds --class robin --seed 7
  $ npx tessera-torch sample runs/birds --all-classes --n 4 --grid --gallery
  $ npx tessera-torch sample runs/transformer --n 1 --stream --animate drawing.webp
  $ npx tessera-torch sample runs/from-depth --condition depth.png --n 4
  $ npx tessera-torch sample runs/from-depth --condition wide.png --size 1024x256
  $ npx tessera-torch sample runs/birds --class robin --image photo.png --mask hole.png
  $ npx tessera-torch sample runs/transformer --image photo.png --size 1024x256 --at 0,0
  $ npx tessera-torch sample runs/transformer --vary photo.png --share 0.3 --n 8
  $ npx tessera-torch sample cin_transformer.ckpt --config cin_transformer.yaml --class 207`,
    )
    .action(onDemand(async () => (await import('./run.js')).sample));
}

// Not imported from guidance.ts, which loads libtorch.
const guidanceSchedules: readonly GuidanceSchedule[] = ['constant', 'linear', 'cosine'];

function interval(text: string): [number, number] {
  const [from, to, ...more] = text.split(',').map(Number);
  if (from! >= 0 && to! > from! && more.length === 0 && [from, to].every(Number.isSafeInteger))
    return [from!, to!];
  throw new InvalidArgumentError('It must be two integers A,B with 0 ≤ A < B, such as 16,256.');
}

function pixelSize(text: string): PixelSize {
  const [, width, height = width] = /^(\d+)(?:[x×](\d+))?$/.exec(text) ?? [];
  if (Number(width) > 0 && Number(height) > 0) return [Number(width), Number(height)];
  throw new InvalidArgumentError('It must be a width and a height in pixels, such as 1024x256.');
}

function keptPart(text: string): Kept {
  if (text === 'top' || text === 'left') return text;
  if (text.trim() !== '' && Number(text) > 0 && Number(text) < 1) return Number(text);
  throw new InvalidArgumentError('It must be top, left, or a number above 0 and below 1.');
}

function place(text: string): [x: number, y: number] {
  const [x, y, ...more] = text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if ([x, y].every((n) => Number.isSafeInteger(n) && n! >= 0) && more.length === 0) return [x!, y!];
  throw new InvalidArgumentError(
    'It must be two numbers of pixels from the left and upper edge, such as 256,0.',
  );
}

function seedList(text: string): number[] {
  const seeds = text.split(',').map((seed) => (seed.trim() === '' ? NaN : Number(seed)));
  if (seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)) return seeds;
  throw new InvalidArgumentError('It must be non-negative integers with commas between them, such as 3,4,5.');
}

function animation(file: string): string {
  if (/\.(webp|gif)$/i.test(file)) return file;
  throw new InvalidArgumentError('It must be the name of a .webp or .gif file.');
}

const notNegative = numeric((n) => n >= 0 && n < Infinity, 'a non-negative number');
const share = numeric((n) => n > 0 && n <= 1, 'a number above 0 and at most 1');
