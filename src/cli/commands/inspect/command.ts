import type { Command } from 'commander';

/** Defines `tessera-torch inspect`, which shows the content of a checkpoint file. */
export function inspectCommand(command: Command): Command {
  return command
    .argument(
      '<file>',
      'a safetensors file, one that PyTorch wrote (.ckpt, .pth, .pt, .bin), or a run folder',
    )
    .option('--keys [part]', 'list every tensor, or those whose key contains this text')
    .option('--json', 'print everything as JSON')
    .action(async (file: string, flags: { keys?: string | true; json?: boolean }) => {
      const { inspectFile } = await import('./run.js');
      process.stdout.write(await inspectFile(file, flags));
    });
}
