/** Opens the first stage of a run, or of a checkpoint file with its configuration. */
import { join } from 'node:path';
import { presetFile, presetNames } from '../config/presets.js';
import { show } from '../config/read.js';
import { isFile } from '../files/look.js';
import { FirstStage } from '../models/autoencoder/vqgan.js';
import { modelFromConfig, type ModelConfig } from '../models/registry/from-config.js';
import { readConfig } from '../models/registry/read-config.js';
import { loadFrom } from '../models/weights/initial.js';
import { newestCheckpoint } from '../runs/checkpoint.js';
import { RunError } from '../runs/error.js';
import { readConfig as readRun } from '../runs/folder.js';
import { loadModelOfRun, withoutLoss } from '../runs/open.js';
import { loadCheckpoint } from '../torch/io/index.js';
import type * as nn from '../torch/nn/index.js';

/** A checkpoint file and the configuration of its model. */
export interface CheckpointAndConfig {
  /** File that `loadCheckpoint` reads. */
  checkpoint: string;
  /**
   * YAML file of the model, or the name of a preset such as `imagenet`, or its `model` entry. The model is a
   * first stage, or a transformer, whose first stage is then used.
   */
  config: string | ModelConfig;
}

export interface OpenedFirstStage {
  model: FirstStage;
  /** Pixels per side that it was trained with. */
  size: number;
}

/** Prefix of the first stage's weights in those of a transformer. */
const INNER = 'first_stage_model.';

/** @throws RunError for a run that cannot be used; ConfigFileError, CheckpointError or StateDictError for other files */
export function openFirstStage(source: string | CheckpointAndConfig): Promise<OpenedFirstStage> {
  if (typeof source === 'string') return openRun(source);
  if (typeof source?.checkpoint === 'string' && source.config) return openCheckpoint(source);
  throw new TypeError(
    `a tokenizer is opened from a run folder, or from { checkpoint, config }; got ${show(source)}`,
  );
}

async function openRun(run: string): Promise<OpenedFirstStage> {
  if (isFile(run)) {
    throw new RunError(
      `${run} is a file, not the folder of a run; a checkpoint needs the configuration of its model: ` +
        `{ checkpoint: ${JSON.stringify(run)}, config }, or --config on the command line`,
    );
  }
  const { stage, ...config } = await readRun(run);
  const { path } = await newestCheckpoint(run);
  const model = build(config.model, join(run, 'config.yaml'));
  await loadModelOfRun(model, run, path, stage === 'transformer' ? INNER : '');
  return { model, size: config.data.size };
}

async function openCheckpoint({ checkpoint: file, config }: CheckpointAndConfig): Promise<OpenedFirstStage> {
  const [entry, name] = typeof config === 'string' ? await readModel(config) : [config, 'the configuration'];
  const model = build(entry, name);
  const checkpoint = await loadCheckpoint(file);
  try {
    const { tensors } = checkpoint;
    const inside = [...tensors.keys()].some((key) => key.startsWith(INNER));
    loadFrom(model, inside ? tensors.below(INNER) : tensors, { ignore: ['loss.'] });
  } finally {
    checkpoint.close();
  }
  return { model, size: model.config.ddconfig.resolution };
}

/** Returns the `model` entry of a YAML file or a preset, and the name of the file. */
async function readModel(config: string): Promise<[ModelConfig, string]> {
  const preset = isFile(config) ? null : presetFile('vqgan', config);
  if (preset === null && !isFile(config) && !/[./\\]/.test(config)) {
    throw new RunError(
      `there is no configuration ${config}: name a YAML file, or a preset (${presetNames('vqgan').join(', ')})`,
    );
  }
  const path = preset ?? config;
  const { model } = await readConfig(path);
  if (model === undefined) throw new RunError(`${path} has no model entry; name the YAML file of the model`);
  return [model, path];
}

/** Builds the first stage of a configuration without its weights. */
function build(config: ModelConfig, name: string): FirstStage {
  const inner = config.params?.['first_stage_config'] as ModelConfig | undefined;
  const model: nn.Module = modelFromConfig(withoutLoss(inner ?? config), { init: false });
  if (model instanceof FirstStage) return model;
  throw new RunError(
    `${name} describes a ${model.constructor.name}, which does not encode images into codes; name one of a VQGAN`,
  );
}
