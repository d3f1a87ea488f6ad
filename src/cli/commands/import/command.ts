import type { Command } from 'commander';
import { onDemand, positiveInteger } from '../../arguments.js';
import { withFileFlags, type FileFlags, type OutputFlags } from '../../model-flags.js';

export interface ImportFlags extends FileFlags, OutputFlags {
  name: string;
  out: string;
  size?: number;
}

/** Defines `tessera-torch import`, which makes a run folder of a checkpoint that was trained elsewhere. */
export function importCommand(command: Command): Command {
  command
    .argument('<file>', 'a safetensors file, or one that PyTorch wrote (.ckpt, .pth, .pt, .bin)')
    .requiredOption('--name <name>', 'name of the run folder')
    .option('--out <folder>', 'folder for run folders', 'runs')
    .option(
      '--size <pixels>',
      'side of the images that it was trained on; default: data.size or the resolution in the YAML file',
      positiveInteger,
    );
  return withFileFlags(command, 'YAML file of the model, or preset')
    .option('--json', 'print one JSON object instead of text')
    .option('--quiet', 'print errors only')
    .addHelpText(
      'after',
      `
The model is a first stage, or a transformer with its first stage in the same checkpoint. Every command then takes the
folder like a run that was trained here. No code from <file> is run.

Examples:
  $ npx tessera-torch import vqgan_imagenet_f16.ckpt --config vqgan_imagenet_f16.yaml --name imagenet
  $ npx tessera-torch train transformer --vqgan runs/imagenet --data photos
  $ npx tessera-torch import cin_transformer.ckpt --config cin_transformer.yaml --name cin`,
    )
    .action(onDemand(async () => (await import('./run.js')).importFile));
}
