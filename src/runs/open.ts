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
import {
  averageOf,
  newestCheckpoint,
  newestState,
  type CheckpointState,
  type OnBytes,
} from './checkpoint.js';
import { describeCheckpointFile, told, withWeights, type CheckpointAndConfig } from './checkpoint-file.js';
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

/** A trained model whose weights have not been read. */
export interface DescribedRun<M extends nn.Module> extends Pick<OpenedRun<M>, 'config' | 'classes'> {
  /** Of the right shapes, but without values. */
  model: M;
  /** Reads the weights into `model`. @throws RunError if there are none, or they do not match the configuration */
  load(device: 'auto' | torch.Device, onBytes?: OnBytes): Promise<OpenedRun<M>>;
}

type Described<S extends Stage> = Promise<DescribedRun<ModelOf[S]>>;

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
  return (await describeRun(source, stage)).load(device);
}

/**
 * Builds the model that {@link openRun} opens, and leaves its weights, which may take minutes, to `load`: what is wanted of
 * a model can be checked before.
 *
 * @throws RunError if the run or the configuration does not exist, or does not have the stage
 */
export async function describeRun<S extends Stage>(source: ModelSource, stage: S): Described<S> {
  if (typeof source === 'string') return describeFromFolder(source, stage, false);
  if (isRunSource(source)) return describeFromFolder(source.run, stage, source.ema ?? false);
  if (typeof source?.checkpoint === 'string' && source.config) return describeFromFile(source, stage);
  throw new TypeError(
    `a model is opened from a run folder, or from { checkpoint, config }; got ${show(source)}`,
  );
}

const isRunSource = (source: ModelSource): source is RunSource =>
  typeof (source as RunSource | null)?.run === 'string';

async function describeFromFile<S extends Stage>(source: CheckpointAndConfig, stage: S): Described<S> {
  const described = await describeCheckpointFile(source, stage);
  const { config } = described;
  const model = described.model as ModelOf[S];
  const classes: string[] = [];
  return {
    config,
    model,
    classes,
    load: async (wanted, onBytes) => {
      await withWeights(described, () => {}, onBytes);
      const device = placed(model, wanted);
      return { config, model, device, step: 0, checkpoint: source.checkpoint, classes };
    },
  };
}

async function describeFromFolder<S extends Stage>(run: string, stage: S, ema: boolean): Described<S> {
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
  const classes = classesIn(newestState(run) ?? (await newestCheckpoint(run)).state);
  const section = stage === 'vqgan' ? firstStageOf(config.model) : config.model;
  const built: nn.Module = modelFromConfig(withoutLoss(section), { init: false });
  if (stage === 'vqgan' && !(built instanceof FirstStage)) {
    throw new RunError(
      `${join(run, 'config.yaml')} describes a ${built.constructor.name}, which does not encode images into codes; name one of a VQGAN`,
    );
  }
  const model = built as ModelOf[S];
  return {
    config,
    model,
    classes,
    load: async (wanted, onBytes) => {
      const { step, path, state } = await newestCheckpoint(run, onBytes);
      await loadModelOfRun(model, run, path, { prefix: stage === found ? '' : INNER, ema, onBytes });
      const device = placed(model, wanted);
      return { config, model, device, step, checkpoint: path, classes: classesIn(state) };
    },
  };
}

const classesIn = (state: CheckpointState): string[] => (state['classes'] as string[] | undefined) ?? [];

/** Moves a model to a device and sets it to evaluation; returns the device. */
function placed(model: nn.Module, wanted: 'auto' | torch.Device): torch.Device {
  const device = deviceFor(wanted);
  model.to(device);
  model.eval();
  return device;
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
  {
    prefix = '',
    ema = false,
    onBytes,
  }: { prefix?: string; ema?: boolean; onBytes?: OnBytes | undefined } = {},
): Promise<void> {
  const [file, averageFile] = [join(path, 'model.safetensors'), averageOf({ path })];
  if (ema && !existsSync(averageFile)) throw noAverage(run);
  using checkpoint = await loadCheckpoint(file);
  using averaged = ema ? await loadCheckpoint(averageFile) : null;
  const below = ({ tensors }: Checkpoint) =>
    tensors.renamed((key) => (key.startsWith(prefix) && !isLoss(key) ? key.slice(prefix.length) : null));
  const weights = told(below(checkpoint), file, onBytes);
  const average = averaged && below(averaged);
  if (average?.size === 0) throw noAverage(run);
  try {
    torch.scope(() => model.loadStateDict(average ? new Map([...weights, ...average]) : weights));
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
