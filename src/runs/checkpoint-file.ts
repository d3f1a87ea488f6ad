/** Opens the model in a checkpoint file, with the configuration that belongs to it. */
import { basename } from 'node:path';
import { nearest } from '../config/nearest.js';
import { presetFile, presetNames } from '../config/presets.js';
import { isTree } from '../config/schema.js';
import { LABEL } from '../data/fields/example.js';
import { isFile } from '../files/look.js';
import { FirstStage } from '../models/autoencoder/vqgan.js';
import type { Lookup } from '../models/quantizers/lookups.js';
import { withUsedCodes } from '../models/quantizers/remap.js';
import { modelFromConfig, type ModelConfig } from '../models/registry/from-config.js';
import { readConfig } from '../models/registry/read-config.js';
import { isLoss, withoutLoss } from '../models/registry/without-loss.js';
import { Net2NetTransformer } from '../models/two-stage.js';
import { findWeights, loadFrom, type FoundWeights } from '../models/weights/initial.js';
import { bytesOf, type LazyTensors } from '../torch/io/lazy-tensors.js';
import { loadCheckpoint } from '../torch/io/index.js';
import type * as nn from '../torch/nn/index.js';
import type { OnBytes } from './checkpoint.js';
import { foreignConfig, type RunConfig, type Stage } from './config.js';
import { RunError } from './error.js';
import { firstStageOf, INNER, withLookup } from './first-stage.js';

/** A checkpoint file and the configuration of its model. */
export interface CheckpointAndConfig {
  /** File that `loadCheckpoint` reads. */
  checkpoint: string;
  /**
   * YAML file of the model, or the name of a preset such as `imagenet`, or its `model` entry. The model is a
   * first stage, or a transformer, whose first stage is used where one is needed.
   */
  config: string | ModelConfig;
  /** Rule by which codes are chosen, if the configuration does not say it; needed if keys and target leave it open. */
  lookup?: Lookup | undefined;
  /** Takes the moving average of the weights instead of the trained ones. Default false. */
  ema?: boolean | undefined;
}

/** A model from a checkpoint file, while the file is open. */
export interface OpenedFile {
  stage: Stage;
  /** On the CPU, without its training loss. */
  model: FirstStage | Net2NetTransformer;
  /** Configuration that a run of the model would have, except for images and training. */
  config: RunConfig;
  /** Tensors of the file. */
  tensors: LazyTensors;
  /** Prefix of the keys, such as `module.`. */
  prefix: string;
  /** Sentences about what was loaded and what was left out. */
  notes: string[];
}

/** Keys of losses, which are not loaded into a model without one. */
const LOSSES = ['loss.', 'first_stage_model.loss.', 'cond_stage_model.loss.'];

/** The model of a checkpoint file before the file is opened. */
export interface DescribedFile extends Pick<OpenedFile, 'stage' | 'model' | 'config'> {
  source: CheckpointAndConfig;
  /** Name of the configuration in messages. */
  name: string;
  /** Error message if the file's keys leave the lookup rule open, which asks for it; null if the rule is settled. */
  asks: string | null;
}

/**
 * Builds the model of a checkpoint file, without values: reads its configuration, but not the file.
 *
 * @param wanted `vqgan` takes the first stage of a transformer; default: the model that the configuration describes
 * @throws RunError for a configuration of another model
 */
export async function describeCheckpointFile(
  source: CheckpointAndConfig,
  wanted: Stage | undefined,
): Promise<DescribedFile> {
  const described = await readModel(source.config);
  const { name, size } = described;
  const { section, asks } = withLookup(
    withoutFiles(withUsedCodes(wanted === 'vqgan' ? firstStageOf(described.model) : described.model)),
    source.lookup,
    name,
  );
  const model = build(section, name);
  const stage = stageOf(model, wanted, name);
  return { source, stage, model, config: foreignConfig(section, size, mapOf(model)), name, asks };
}

/**
 * Loads the weights of a checkpoint file into its model, and closes the file after `use`.
 *
 * @throws RunError for a file that does not match the configuration, with the keys
 */
export async function withWeights<T>(
  { source, stage, model, config, name, asks }: DescribedFile,
  use: (opened: OpenedFile) => T | Promise<T>,
  onBytes?: OnBytes,
): Promise<T> {
  const { checkpoint: file, ema = false } = source;
  using checkpoint = await loadCheckpoint(file);
  const all = checkpoint.tensors;
  const inside = stage === 'vqgan' && [...all.keys()].some((key) => key.startsWith(INNER));
  const tensors = told(inside ? all.below(INNER) : all, file, onBytes);
  const found = findWeights(model, tensors);
  if (asks !== null && found.trained?.keyMap === undefined) throw new RunError(`${file}: ${asks}`);
  if (ema && !found.average)
    throw new RunError(`${file} has no moving average of the weights; leave out --ema`);
  const notes = load(model, tensors, { file, name, found, ema });
  const { prefix = '' } = found.trained ?? {};
  return await use({ stage, model, config, tensors, prefix, notes });
}

/** Returns the tensors of a file; reading one calls `onBytes`, if it is given. */
export function told(tensors: LazyTensors, file: string, onBytes?: OnBytes): LazyTensors {
  if (!onBytes) return tensors;
  const total = [...tensors.keys()].reduce((sum, key) => sum + bytesOf(tensors.info(key)!), 0);
  let done = 0;
  const tell = () => onBytes(`reading ${basename(file)}`, done, total);
  tell();
  return tensors.watched((bytes) => {
    done += bytes;
    tell();
  });
}

/** Builds the model without its loss. @throws RunError naming the configuration that has a mistake */
function build(section: ModelConfig, name: string): FirstStage | Net2NetTransformer {
  try {
    return modelFromConfig<FirstStage | Net2NetTransformer>(withoutLoss(section), { init: false });
  } catch (cause) {
    throw new RunError(`${name}: ${(cause as Error).message}`, { cause });
  }
}

/** Loads the weights, and returns notes. */
function load(
  model: FirstStage | Net2NetTransformer,
  tensors: LazyTensors,
  { file, name, found, ema }: { file: string; name: string; found: FoundWeights; ema: boolean },
): string[] {
  const place = ema ? found.average : found.trained;
  checkHasFirstStage(model, tensors, { file, prefix: place?.prefix ?? '' });
  try {
    const { loaded, prefix } = loadFrom(model, tensors, { ignore: LOSSES, place });
    const losses = [...tensors.keys()].filter((key) => isLoss(key.slice(prefix.length))).length;
    const layout = place?.keyMap ? `, in the layout of ${place.keyMap.name}` : '';
    return [
      `${loaded.length} tensors loaded${prefix === '' ? '' : ` from under "${prefix}"`}${layout}`,
      ...(losses > 0
        ? [
            `${losses} tensors of training losses (loss.*) left out of the model; the import of a first stage keeps its discriminator`,
          ]
        : []),
      ...(found.average && !ema ? ['the file also has a moving average of the weights: --ema takes it'] : []),
    ];
  } catch (cause) {
    throw new RunError(`${file} does not match ${name}: ${(cause as Error).message}`, { cause });
  }
}

/** @throws RunError for a transformer's checkpoint without the first stage, without which it makes no images */
function checkHasFirstStage(
  model: FirstStage | Net2NetTransformer,
  tensors: LazyTensors,
  { file, prefix }: { file: string; prefix: string },
): void {
  if (model instanceof FirstStage) return;
  const has = (start: string) => [...tensors.keys()].some((key) => key.startsWith(`${prefix}${start}`));
  if (!has('transformer.') || has(INNER)) return;
  throw new RunError(
    `${file} has the weights of a transformer, but not of its first stage (${INNER}*): name the checkpoint of the whole ` +
      'Net2NetTransformer, which holds both',
  );
}

/** Returns the stage that a model belongs to. @throws RunError for one that is not `wanted`, or of neither */
function stageOf(model: nn.Module, wanted: Stage | undefined, name: string): Stage {
  const stage =
    model instanceof FirstStage ? 'vqgan' : model instanceof Net2NetTransformer ? 'transformer' : null;
  if (stage !== null && stage === (wanted ?? stage)) return stage;
  throw new RunError(
    `${name} describes a ${model.constructor.name}, which does not ` +
      (wanted === 'transformer'
        ? 'generate images; name the configuration of a Net2NetTransformer'
        : 'encode images into codes; name one of a VQGAN'),
  );
}

/** Returns the map that a model is trained on, or conditioned on; null for images and classes. */
function mapOf(model: FirstStage | Net2NetTransformer): string | null {
  if (model instanceof FirstStage) {
    const key = model.config.imageKey;
    return typeof key === 'string' && key !== 'image' ? key : null;
  }
  const { field } = model.condition;
  return field === LABEL ? null : field;
}

/** Removes the names of initial weights, which the checkpoint replaces, at any depth. */
function withoutFiles<T>(config: T): T {
  if (!isTree(config)) return config;
  const kept = Object.entries(config).filter(([key]) => key !== 'ckpt_path' && key !== 'ignore_keys');
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutFiles(value)])) as T;
}

/** Returns the `model` entry of a YAML file or a preset, its name in messages, and the size of its images if it has one. */
async function readModel(
  config: string | ModelConfig,
): Promise<{ model: ModelConfig; name: string; size?: number | undefined }> {
  if (typeof config !== 'string') return { model: config, name: 'the configuration' };
  const preset = isFile(config) ? null : presetFile('vqgan', config);
  if (preset === null && !isFile(config) && !/[./\\]/.test(config)) {
    throw noConfig(config);
  }
  const name = preset ?? config;
  const { model, data } = await readConfig(name);
  if (model === undefined) throw new RunError(`${name} has no model entry; name the YAML file of the model`);
  const size = isTree(data) && typeof data['size'] === 'number' ? data['size'] : undefined;
  return { model, name, size };
}

/** Returns the error for a name that is neither a file nor a preset. */
function noConfig(name: string): RunError {
  if (presetFile('transformer', name) !== null) {
    return new RunError(
      `there is no configuration ${name}: that preset is for training a transformer, and has no first stage; name the ` +
        'YAML file of the whole model',
    );
  }
  const names = presetNames('vqgan');
  return new RunError(
    `there is no configuration ${name}: name a YAML file, or a preset; the nearest is "${nearest(name, names)}" (there are ` +
      `${names.join(', ')})`,
  );
}
