import { InvalidArgumentError, type Command } from 'commander';
import { onDemand, positiveInteger } from '../../arguments.js';
import type { OutputFlags } from '../../model-flags.js';
import type { Device } from '../../../torch/index.js';

export interface TrimFlags extends OutputFlags {
  name: string;
  out: string;
  images?: string;
  atLeast: number;
  batch: number;
  ema?: boolean;
  device: 'auto' | Device;
}

/** Defines `tessera-torch trim`, which leaves the codes that no image uses out of a trained model. */
export function trimCommand(command: Command): Command {
  return command
    .argument('<run>', 'run folder of a VQGAN or a transformer')
    .requiredOption('--name <name>', 'name of the new run folder')
    .option('--out <folder>', 'folder for run folders', 'runs')
    .option(
      '--images <folder>',
      'images whose codes count; default: those of the run, held-out ones included',
    )
    .option('--at-least <count>', 'keep codes that were chosen at least so often', positiveInteger, 1)
    .option('--batch <count>', 'images that are encoded together', positiveInteger, 16)
    .option('--ema', 'take the moving average of the weights; default: of a run that has one')
    .option('--no-ema', 'take the trained weights of a run that also has their moving average')
    .option('--device <device>', 'auto, cpu or cuda:0', deviceOf, 'auto')
    .option('--json', 'print one JSON object instead of text')
    .option('--quiet', 'print errors only')
    .addHelpText(
      'after',
      `
Counts the codes of the images, mirrored too if the run mirrors them, and writes a run whose codebook has only those in
use. Of a transformer, its embedding and its head get as many rows less. Every image is then encoded and decoded again by
both models, and differences are counted: with --at-least 1 there are none.

Examples:
  $ npx tessera-torch trim runs/vqgan --name vqgan-small
  $ npx tessera-torch trim runs/transformer --name transformer-small
  $ npx tessera-torch trim runs/imagenet --name mine --images photos`,
    )
    .action(onDemand(async () => (await import('./run.js')).trim));
}

function deviceOf(text: string): 'auto' | Device {
  if (/^(auto|cpu|cuda(:\d+)?)$/.test(text)) return text as Device;
  throw new InvalidArgumentError('It must be auto, cpu or cuda:0.');
}
