import type { Command } from 'commander';
import { choice } from '../../arguments.js';

export interface ConvertFlags {
  all?: boolean;
  prefix?: string;
  ignore?: string[];
  layout?: string;
  fromLayout?: string;
  dtype?: string;
  force?: boolean;
}

/** Defines `tessera-torch convert`, which writes a checkpoint in another format, layout or precision. */
export function convertCommand(command: Command): Command {
  const layouts = ['reference', 'llamagen', 'diffusers', 'latent-diffusion', 'latent-diffusion-ema'];
  const dtypes = ['float32', 'float64', 'float16', 'bfloat16'];
  return command
    .argument('<from>', 'a safetensors file, or one that PyTorch wrote (.ckpt, .pth, .pt, .bin)')
    .argument(
      '<to>',
      'the new file; its extension selects the format: .safetensors, .pt, .pth, .bin or .ckpt',
    )
    .option('--all', 'convert every tensor (also optimizer states), not only the weights')
    .option('--prefix <prefix>', 'convert only keys that start with this, such as "model.", and remove it')
    .option('--ignore <prefix...>', 'leave out keys that start with this, such as "loss."')
    .addOption(choice('--layout <name>', 'naming of the keys to write (default: unchanged)', layouts))
    .addOption(choice('--from-layout <name>', 'naming of the present keys (default: detected)', layouts))
    .addOption(choice('--dtype <dtype>', 'cast floating-point tensors', dtypes))
    .option('--force', 'replace <to> if it exists')
    .addHelpText(
      'after',
      `
A .ckpt contains the weights under state_dict next to the other values, as Lightning writes it; the other formats
contain only the weights. No code from <from> is run.
  $ npx tessera-torch convert last.ckpt weights.safetensors --ignore loss.
  $ npx tessera-torch convert vq_ds16_c2i.pt vq16.safetensors --layout reference
  $ npx tessera-torch convert model.safetensors diffusion_pytorch_model.safetensors --layout diffusers`,
    )
    .action(async (from: string, to: string, flags: ConvertFlags) => {
      const { convertFile } = await import('./run.js');
      process.stderr.write(`${await convertFile(from, to, flags)}\n`);
    });
}
