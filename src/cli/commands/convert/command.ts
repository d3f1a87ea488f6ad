import { type Command, Option } from 'commander';

export interface ConvertFlags {
  all?: boolean;
  prefix?: string;
  ignore?: string[];
  layout?: string;
  fromLayout?: string;
  dtype?: string;
  force?: boolean;
}

/** `tessera-torch convert`: a checkpoint into another format, layout or precision. */
export function convertCommand(command: Command): Command {
  const layouts = ['llamagen', 'diffusers', 'latent-diffusion', 'latent-diffusion-ema'];
  return command
    .argument('<from>', 'a safetensors file, or one that PyTorch wrote (.ckpt, .pth, .pt, .bin)')
    .argument('<to>', 'the new file; its ending says the format: .safetensors, .pt, .pth, .bin or .ckpt')
    .option('--all', 'every tensor (optimizer states too), not only the weights')
    .option('--prefix <prefix>', 'only what lies below this, such as "model.", without it')
    .option('--ignore <prefix...>', 'leave out keys that start with this, such as "loss."')
    .addOption(
      new Option('--layout <name>', 'write keys as this project has them (default: as they are)').choices([
        'reference',
        ...layouts,
      ]),
    )
    .addOption(
      new Option('--from-layout <name>', 'what the keys are now (default: recognised)').choices([
        'reference',
        ...layouts,
      ]),
    )
    .addOption(
      new Option('--dtype <dtype>', 'cast floating-point tensors').choices([
        'float32',
        'float64',
        'float16',
        'bfloat16',
      ]),
    )
    .option('--force', 'replace <to> if it exists')
    .addHelpText(
      'after',
      `
A .ckpt holds the weights under state_dict beside the other values, as Lightning writes it; the others hold the weights
alone. Nothing in <from> is run.
  $ npx tessera-torch convert last.ckpt weights.safetensors --ignore loss.
  $ npx tessera-torch convert vq_ds16_c2i.pt vq16.safetensors --layout reference
  $ npx tessera-torch convert model.safetensors diffusion_pytorch_model.safetensors --layout diffusers`,
    )
    .action(async (from: string, to: string, flags: ConvertFlags) => {
      const { convertFile } = await import('./run.js');
      process.stderr.write(`${await convertFile(from, to, flags)}\n`);
    });
}
