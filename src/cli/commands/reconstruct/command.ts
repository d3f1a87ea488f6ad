import type { Command } from 'commander';
import { onDemand, positiveInteger } from '../../arguments.js';
import { withModelFlags, type ModelFlags } from '../../model-flags.js';
import { withOutputFlags } from '../../token-flags.js';

export interface ReconstructFlags extends ModelFlags {
  out: string;
  size?: number;
  grid?: boolean;
}

/** Defines `tessera-torch reconstruct`, which encodes images with a VQGAN and decodes them again. */
export function reconstructCommand(command: Command): Command {
  command
    .argument('<run>', 'run folder of a VQGAN, or of a transformer, whose first stage is used')
    .argument('<images...>', 'image files, or folders of them')
    .option('--out <folder>', 'folder for the PNG files', 'reconstructions')
    .option('--size <pixels>', 'shorter side of the images; default: as in training', positiveInteger)
    .option('--grid', 'one image, grid.png: square originals above their reconstructions');
  return withOutputFlags(withModelFlags(command, 'the encoder and the decoder'), 'image')
    .addHelpText(
      'after',
      `
Each image keeps its aspect ratio: its shorter side is scaled to the size, and it is cropped to whole codes.

Examples:
  $ npx tessera-torch reconstruct runs/vqgan photos/cat.jpg photos/dog.jpg
  $ npx tessera-torch reconstruct runs/vqgan photos --grid --out before-and-after
  $ npx tessera-torch reconstruct runs/vqgan panorama.jpg --size 256`,
    )
    .action(onDemand(async () => (await import('./run.js')).reconstruct));
}
