/** Opens a trained model from a run folder or a checkpoint file, ready to use. */
import { join } from 'node:path';
import { show } from '../config/read.js';
import { isFile } from '../files/look.js';
import { FirstStage } from '../models/autoencoder/vqgan.js';
import { modelFromConfig } from '../models/registry/from-config.js';
import { isLoss, withoutLoss } from '../models/registry/without-loss.js';
import type { Net2NetTransformer } from '../models/two-stage.js';
import type * as nn from '../torch/nn/index.js';
import * as torch from '../torch/index.js';
import { newestCheckpoint, newestState, type CheckpointState, type OnBytes } from './checkpoint.js';
import { describeCheckpointFile, withWeights, type CheckpointAndConfig } from './checkpoint-file.js';
import type { RunConfig, Stage } from './config.js';
import { RunError } from './error.js';
import { firstStageOf, INNER } from './first-stage.js';
import { readConfig } from './folder.js';
import { openRunWeights, type RunWeights, type WeightsChoice } from './weights.js';

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
  /** True if the weights are the moving average of those that were trained. */
  ema: boolean;
  /** Names of the classes it was trained on; empty if there were none. */
  classes: readonly string[];
}

/** A run, and the choice of its weights. */
export interface RunSource extends WeightsChoice {
  /** Folder of the run. */
  run: string;
}

/** Source of a trained model: the folder of a run, or a checkpoint file. */
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
 * @param source run folder, `{ run, ema: false }` for the trained weights of one that averages them, or
 *   `{ checkpoint, config }`
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
 * Builds the model that {@link openRun} opens, but leaves its weights, which may take minutes, to `load`, so that a model
 * can be checked first.
 *
 * @throws RunError if the run or the configuration does not exist, or does not have the stage
 */
export async function describeRun<S extends Stage>(source: ModelSource, stage: S): Described<S> {
  if (typeof source === 'string') return describeFromFolder(source, stage, {});
  if (isRunSource(source)) return describeFromFolder(source.run, stage, source);
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
      const { checkpoint, ema = false } = source;
      return { config, model, device, step: 0, checkpoint, ema, classes };
    },
  };
}

async function describeFromFolder<S extends Stage>(
  run: string,
  stage: S,
  choice: WeightsChoice,
): Described<S> {
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
      const prefix = stage === found ? '' : INNER;
      const weights = await openRunWeights(run, choice, { prefix, onBytes });
      try {
        fill(model, run, weights);
      } finally {
        weights.close();
      }
      const { step, path, state } = weights.checkpoint;
      const device = placed(model, wanted);
      const at = { step, checkpoint: path, ema: weights.ema };
      return { config, model, device, ...at, classes: classesIn(state) };
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
 * Fills a model with weights of a run; the training loss's are left out.
 *
 * @throws RunError if they do not match
 */
function fill(model: nn.Module, run: string, { tensors, file }: RunWeights): void {
  try {
    torch.scope(() => model.loadStateDict(tensors.renamed((key) => (isLoss(key) ? null : key))));
  } catch (error) {
    throw new RunError(
      `${file} does not match ${join(run, 'config.yaml')} (${reasonOf(error)}): restore either file from a copy`,
      { cause: error },
    );
  }
}

/** Returns the reason for a mismatch, which a state dict's error has in the lines after its first. */
function reasonOf(error: unknown): string {
  const [first = '', ...rest] = (error as Error).message.split('\n').map((line) => line.trim());
  // A heading and the first key below it.
  return rest.length > 0 ? rest.slice(0, 2).join(' ') : first;
}
