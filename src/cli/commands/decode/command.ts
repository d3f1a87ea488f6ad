import type { Command } from 'commander';
import { onDemand } from '../../arguments.js';
import { withOutputFlags, withTokenFlags } from '../../token-flags.js';

/** Defines `tessera-torch decode`, which turns token files into images. */
export function decodeCommand(command: Command): Command {
  command
    .argument('<run>', 'run folder of a VQGAN, or of a transformer, whose first stage is used')
    .argument('<tokens...>', 'token files (.jsonl, .npy, .safetensors) as of encode, or folders of them')
    .option('--out <folder>', 'folder for the PNG files', 'decoded');
  return withOutputFlags(withTokenFlags(command, 'subtracted from'), 'image')
    .addHelpText(
      'after',
      `
Give the --offset and the --markers of encode: with --markers, rows of .npy files are sequences.
Padding of encode is removed if the file names the size of the image, which a .npy of a single image does not.

Examples:
  $ npx tessera-torch decode runs/vqgan tokens
  $ npx tessera-torch decode runs/vqgan tokens/tokens-00000.jsonl --offset 32000 --markers 33024,33025,33026`,
    )
    .action(onDemand(async () => (await import('./run.js')).decode));
}
