import type { Device } from '../../../torch/index.js';
import { type Command, InvalidArgumentError } from 'commander';

export interface ReconstructFlags {
  out: string;
  size?: number;
  grid?: boolean;
  device: 'auto' | Device;
  json?: boolean;
  quiet?: boolean;
}

/** `tessera-torch reconstruct`: pictures through a VQGAN's codes and back. */
export function reconstructCommand(command: Command): Command {
  return command
    .argument('<run>', 'run folder of a VQGAN')
    .argument('<pictures...>', 'pictures, or folders of them')
    .option('--out <folder>', 'where the PNGs go', 'reconstructions')
    .option('--size <pixels>', 'shorter side of the pictures; default: as in training', pixels)
    .option('--grid', 'one picture, grid.png: originals above reconstructions, in squares')
    .option('--device <device>', 'auto, cpu or cuda:0', 'auto')
    .option('--json', 'one JSON object a picture instead of text')
    .option('--quiet', 'print errors only')
    .addHelpText(
      'after',
      `
Each picture keeps its shape: it is scaled to the size by its shorter side, and cut so that whole codes fit.

Examples:
  $ npx tessera-torch reconstruct runs/vqgan photos/cat.jpg photos/dog.jpg
  $ npx tessera-torch reconstruct runs/vqgan photos --grid --out before-and-after
  $ npx tessera-torch reconstruct runs/vqgan panorama.jpg --size 256`,
    )
    .action(async (run: string, pictures: string[], flags: ReconstructFlags) => {
      const { reconstruct } = await import('./run.js');
      await reconstruct(run, pictures, flags);
    });
}

function pixels(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a number of pixels.');
  return value;
}
