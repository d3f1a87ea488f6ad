/** The trained models that a transformer uses frozen: its first stage, and the one that encodes a map as its condition. */
import { existsSync, statSync } from 'node:fs';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import { ignoreKeysOf, loadFrom } from '../../../models/weights/initial.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import { readConfig } from '../../../runs/folder.js';
import { usedOf } from '../../../runs/settings.js';
import { openRunWeights } from '../../../runs/weights.js';
import type * as nn from '../../../torch/nn/index.js';
import { loadCheckpoint } from '../../../torch/io/index.js';
import { checkFile } from '../initial-weights.js';

type Params = Record<string, unknown>;
const dummyLoss: ModelConfig = { target: 'taming.modules.losses.DummyLoss' };

/** Keys by which a configuration names a trained model, and the model's name in messages. */
export interface TrainedPart {
  /** Setting of `training` that names its run or file, and the command-line flag of that. */
  setting: 'vqgan' | 'condition';
  /** Entry of `model.params` that describes it. */
  key: 'first_stage_config' | 'cond_stage_config';
  what: string;
}

export const firstStagePart: TrainedPart = {
  setting: 'vqgan',
  key: 'first_stage_config',
  what: 'VQGAN',
};
export const conditionPart: TrainedPart = {
  setting: 'condition',
  key: 'cond_stage_config',
  what: 'VQGAN of the condition',
};

/**
 * Returns the model section of a part, without its loss: that of the run it names, else the one in `model.params`.
 * Returns undefined if neither is given.
 *
 * @throws RunError if the run or file does not exist, or its images have another size
 */
export async function configOfPart(
  { setting, key, what }: TrainedPart,
  { model, data, training }: RunConfig,
): Promise<ModelConfig | undefined> {
  const path = training[setting];
  let section = model.params?.[key] as ModelConfig | undefined;
  if (path !== undefined && isRun(path)) {
    const stored = await readConfig(path);
    if (stored.stage !== 'vqgan') {
      throw new RunError(
        `training.${setting}: ${path} is the run of a ${stored.stage}; name the run of a VQGAN`,
      );
    }
    if (stored.data.size !== data.size) {
      throw new RunError(
        `data.size is ${data.size}, but the ${what} in ${path} was trained on images of ${stored.data.size} pixels: set data.size=${stored.data.size}`,
      );
    }
    section = stored.model;
  }
  checkPath(setting, what, path);
  const own = section?.params?.['ckpt_path'];
  if (path === undefined && typeof own === 'string') checkFile(own, `model.params.${key}.params.ckpt_path`);
  return section && { ...section, params: { ...section.params, lossconfig: dummyLoss } };
}

/** Checks that the named run or file exists, before anything is written. */
function checkPath(setting: string, what: string, path: string | undefined): void {
  if (path === undefined || existsSync(path)) return;
  throw new RunError(
    `training.${setting}: there is no trained ${what} at ${path}; name its run (--${setting} RUN), or a file with its weights`,
  );
}

/** True for a folder, which is then that of a run. */
export const isRun = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/** Loads the trained weights of a part; returns a note if the file has them under a key prefix. */
export async function loadPart(
  { setting, key, what }: TrainedPart,
  model: nn.Module,
  config: RunConfig,
): Promise<string | null> {
  const { params } = config.model.params![key] as { params: Params };
  const path = config.training[setting] ?? (params['ckpt_path'] as string | undefined);
  if (path === undefined || !existsSync(path)) {
    throw new RunError(
      `${path === undefined ? `no trained ${what} was named` : `there is no trained ${what} at ${path}`}; name its run in training.${setting} (--${setting} RUN)`,
    );
  }
  const { file, tensors, close } = await openPart(path, config);
  try {
    const ignore = ['loss.', ...(config.training[setting] === undefined ? ignoreKeysOf(params) : [])];
    // Weights saved before a remap do not say which codes are used: the configuration does.
    const keys = [...tensors.keys()];
    if (!keys.some((name) => name.endsWith('quantize.used'))) ignore.push('quantize.used');
    const { prefix } = loadFrom(model, tensors, { ignore });
    return prefix === '' ? null : `the weights of the ${what} were found under "${prefix}" in ${file}`;
  } catch (cause) {
    throw new RunError(`${file} does not match model.params.${key}: ${(cause as Error).message}`, { cause });
  } finally {
    close();
  }
}

/** Opens the weights of a run, or those of a file. */
async function openPart(path: string, { training }: RunConfig) {
  if (isRun(path)) return openRunWeights(path, usedOf(training));
  const { tensors, close } = await loadCheckpoint(path);
  return { file: path, tensors, close };
}
