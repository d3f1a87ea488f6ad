/** Flags of commands that use a trained model: a run, or a checkpoint file with its configuration. */
import { InvalidArgumentError, type Command } from 'commander';
import { isFile } from '../files/look.js';
import { lookups, type Lookup } from '../models/quantizers/lookups.js';
import type { ModelSource } from '../runs/open.js';
import type { WeightsChoice } from '../runs/weights.js';
import type { Device } from '../torch/index.js';
import type { TokenizerDType } from '../tokenizer/dtype.js';
import { choice } from './arguments.js';
import { UsageError } from './usage-error.js';

/** Flags with which a checkpoint file is opened. */
export interface FileFlags {
  config?: string;
  lookup?: Lookup;
  ema?: boolean;
}

/** The same flags, and the one that chooses a run's checkpoint. */
export interface SourceFlags extends FileFlags {
  checkpoint?: WeightsChoice['checkpoint'];
}

/** Flags of how a command tells what it does. */
export interface OutputFlags {
  json?: boolean;
  quiet?: boolean;
}

export interface ModelFlags extends SourceFlags, OutputFlags {
  device: 'auto' | Device;
  precision?: TokenizerDType;
}

/** Adds the flags of a checkpoint file. */
export function withFileFlags(command: Command, config: string): Command {
  return command
    .option('--config <file>', config)
    .addOption(
      choice('--lookup <rule>', 'how the model chooses codes, if its configuration does not say it', lookups),
    )
    .option(
      '--ema',
      'take the moving average of the weights; default: of a run that has one, not of a checkpoint file',
    )
    .option('--no-ema', 'take the trained weights of a run that also has their moving average');
}

/** Adds the flags of a run or a checkpoint file. */
export function withSourceFlags(command: Command, config: string): Command {
  return withFileFlags(command, config).option(
    '--checkpoint <which>',
    'checkpoint of a run: newest, best, or the one of a step; default newest',
    checkpointOf,
  );
}

function checkpointOf(text: string): WeightsChoice['checkpoint'] {
  if (text === 'newest' || text === 'best') return text;
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be newest, best or the number of a step.');
}

/** Adds the flags of a model, which may be in a checkpoint file. */
export function withModelFlags(command: Command, what: string): Command {
  return withSourceFlags(command, 'YAML file or preset of the model, if <run> is a checkpoint file')
    .option('--device <device>', 'auto, cpu or cuda:0', 'auto')
    .addOption(
      choice('--precision <dtype>', `dtype of ${what}`, ['float32', 'bfloat16', 'float16'], 'float32'),
    );
}

/** Returns the source of a model. @throws UsageError for a file, or flags of one, without `--config` */
export function sourceOf(run: string, { config, lookup, ema, checkpoint }: SourceFlags): ModelSource {
  if (config !== undefined && checkpoint !== undefined) {
    throw new UsageError(`--checkpoint ${checkpoint} is for runs: ${run} is a checkpoint file; leave it out`);
  }
  if (config !== undefined) return { checkpoint: run, config, lookup, ema };
  if (lookup !== undefined) {
    throw new UsageError(`--lookup is for checkpoint files: name the YAML file of the model with --config`);
  }
  if (!isFile(run)) return { run, ema, ...(checkpoint !== undefined && { checkpoint }) };
  throw new UsageError(
    `${run} is a file, not the folder of a run: name the YAML file of its model, or a preset, with --config`,
  );
}
