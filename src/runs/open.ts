/** Opens a trained model from a run folder or a checkpoint file, ready to use. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { show } from '../config/read.js';
import { isFile } from '../files/look.js';
import { FirstStage } from '../models/autoencoder/vqgan.js';
import { modelFromConfig } from '../models/registry/from-config.js';
import { isLoss, withoutLoss } from '../models/registry/without-loss.js';
import type { Net2NetTransformer } from '../models/two-stage.js';
import { loadCheckpoint, type Checkpoint } from '../torch/io/index.js';
import type * as nn from '../torch/nn/index.js';
import * as torch from '../torch/index.js';
import { averageOf, newestCheckpoint } from './checkpoint.js';
import { withCheckpointFile, type CheckpointAndConfig } from './checkpoint-file.js';
import type { RunConfig, Stage } from './config.js';
import { RunError } from './error.js';
import { firstStageOf, INNER } from './first-stage.js';
import { readConfig } from './folder.js';

export interface OpenedRun<M extends nn.Module> {
  /** Of a model that was trained elsewhere, without `data.path`, and with an empty `training`. */
  config: RunConfig;
  /** In evaluation mode, on `device`, without its training loss. */
  model: M;
  device: torch.Device;
  /** Step of the checkpoint; 0 if it was trained elsewhere. */
  step: number;
  /** Folder of the checkpoint, or its file. */
  checkpoint: string;
  /** Names of the classes it was trained on; empty if there were none. */
  classes: readonly string[];
}

/** A run, and which of its weights to open. */
export interface RunSource {
  /** Folder of the run. */
  run: string;
  /** Takes the moving average of the weights, if the run has one, instead of the trained ones. Default false. */
  ema?: boolean;
}

/** What a trained model is opened from: the folder of a run, or a checkpoint file. */
export type ModelSource = string | RunSource | CheckpointAndConfig;

export interface ModelOf {
  vqgan: FirstStage;
  transformer: Net2NetTransformer;
}

type Opened<S extends Stage> = Omit<OpenedRun<ModelOf[S]>, 'device'>;

/**
 * Opens the newest complete checkpoint of a run, or a checkpoint file, for the given stage. Of a transformer, the stage
 * `vqgan` is the first stage inside it.
 *
 * @param source run folder, `{ run, ema: true }` for its averaged weights, or `{ checkpoint, config }`
 * @throws RunError if there is none, it has no such stage, or its weights do not match its configuration
 *
 * @example
 * ```ts
 * const { model } = await openRun('runs/mine', 'vqgan');
 * const { indices } = torch.noGrad(() => model.encode(torch.zeros([1, 3, 64, 64])));
 * ```
 */
export async function openRun<S extends Stage>(
  source: ModelSource,
  stage: S,
  device: 'auto' | torch.Device = 'auto',
): Promise<OpenedRun<ModelOf[S]>> {
  const opened = await openOnCpu(source, stage);
  const chosen = deviceFor(device);
  opened.model.to(chosen);
  opened.model.eval();
  return { ...opened, device: chosen };
}

function openOnCpu<S extends Stage>(source: ModelSource, stage: S): Promise<Opened<S>> {
  if (typeof source === 'string') return openFolder(source, stage, false);
  if (isRunSource(source)) return openFolder(source.run, stage, source.ema ?? false);
  if (typeof source?.checkpoint === 'string' && source.config) {
    return withCheckpointFile(source, stage, ({ model, config }) => {
      return { model: model as ModelOf[S], config, step: 0, checkpoint: source.checkpoint, classes: [] };
    });
  }
  throw new TypeError(
    `a model is opened from a run folder, or from { checkpoint, config }; got ${show(source)}`,
  );
}

const isRunSource = (source: ModelSource): source is RunSource =>
  typeof (source as RunSource | null)?.run === 'string';

async function openFolder<S extends Stage>(run: string, stage: S, ema: boolean): Promise<Opened<S>> {
  if (isFile(run)) {
    throw new RunError(
      `${run} is a file, not the folder of a run; a checkpoint needs the configuration of its model: ` +
        `{ checkpoint: ${JSON.stringify(run)}, config }, or --config on the command line`,
    );
  }
  const { stage: found, ...config } = await readConfig(run);
  if (stage === 'transformer' && found !== stage) {
    throw new RunError(
      `${run} is the run of a VQGAN, which encodes images but cannot generate new ones; train a transformer on it: ` +
        `npx tessera-torch train transformer --vqgan ${run}`,
    );
  }
  const { step, path, state } = await newestCheckpoint(run);
  const section = stage === 'vqgan' ? firstStageOf(config.model) : config.model;
  const model: nn.Module = modelFromConfig(withoutLoss(section), { init: false });
  if (stage === 'vqgan' && !(model instanceof FirstStage)) {
    throw new RunError(
      `${join(run, 'config.yaml')} describes a ${model.constructor.name}, which does not encode images into codes; name one of a VQGAN`,
    );
  }
  await loadModelOfRun(model, run, path, { prefix: stage === found ? '' : INNER, ema });
  return {
    config,
    model: model as ModelOf[S],
    step,
    checkpoint: path,
    classes: (state['classes'] as string[] | undefined) ?? [],
  };
}

/** Returns the device to run a trained model on: for `auto` the first GPU, or the CPU if there is none. */
export function deviceFor(wanted: 'auto' | torch.Device): torch.Device {
  if (wanted !== 'auto') return wanted;
  return torch.cudaIsAvailable() ? 'cuda:0' : 'cpu';
}

/**
 * Fills a model with the weights of a run's checkpoint that are below `prefix`; the training loss's are left out. With
 * `ema`, the moving average replaces those that the run trained.
 *
 * @param path of the checkpoint's folder
 * @throws RunError if they do not match, or have no moving average
 */
export async function loadModelOfRun(
  model: nn.Module,
  run: string,
  path: string,
  { prefix = '', ema = false }: { prefix?: string; ema?: boolean } = {},
): Promise<void> {
  const average = ema ? averageOf({ path }) : null;
  if (average !== null && !existsSync(average)) throw noAverage(run);
  const file = join(path, 'model.safetensors');
  using checkpoint = await loadCheckpoint(file);
  using averaged = average === null ? null : await loadCheckpoint(average);
  const below = ({ tensors }: Checkpoint) =>
    [...tensors.keys()].filter((key) => key.startsWith(prefix) && !isLoss(key));
  if (averaged && below(averaged).length === 0) throw noAverage(run);
  try {
    torch.scope(() => {
      const weights = [checkpoint, averaged].flatMap((each) =>
        (each ? below(each) : []).map((key) => [key.slice(prefix.length), each!.tensors.get(key)!] as const),
      );
      model.loadStateDict(new Map(weights));
    });
  } catch (error) {
    throw new RunError(
      `${file} does not match ${join(run, 'config.yaml')} (${reasonOf(error)}): restore either file from a copy`,
      { cause: error },
    );
  }
}

const noAverage = (run: string) =>
  new RunError(
    `${run} has no moving average of these weights: it was trained without training.ema; leave out --ema`,
  );

/** Returns the reason for a mismatch, which a state dict's error has in the lines after its first. */
function reasonOf(error: unknown): string {
  const [first = '', ...rest] = (error as Error).message.split('\n').map((line) => line.trim());
  // A heading and the first key below it.
  return rest.length > 0 ? rest.slice(0, 2).join(' ') : first;
}
