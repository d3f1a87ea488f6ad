import { Command } from 'commander';

/** `tessera-torch inspect`: what is in a checkpoint file. */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description('show what is in a checkpoint: model, step, settings, tensors; nothing in it is run')
    .argument('<file>', 'a safetensors file, or one that PyTorch wrote (.ckpt, .pth, .pt, .bin)')
    .option('--keys [part]', 'list every tensor, or those whose key contains this')
    .option('--json', 'everything as JSON')
    .action(async (file: string, flags: { keys?: string | true; json?: boolean }) => {
      const { inspectFile } = await import('./inspect-run.js');
      process.stdout.write(await inspectFile(file, flags));
    });
}
