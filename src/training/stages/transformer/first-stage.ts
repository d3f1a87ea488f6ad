/** Model section, sizes and weights that a second stage takes from its trained first stage. */
import { existsSync, statSync } from 'node:fs';
import { codesOfConfig } from '../../../models/autoencoder/stride.js';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import { ignoreKeysOf, loadFrom } from '../../../models/weights/initial.js';
import { channelsOf, type RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import { readConfig } from '../../../runs/folder.js';
import { openRun } from '../../../runs/open.js';
import type * as nn from '../../../torch/nn/index.js';
import * as torch from '../../../torch/index.js';
import { loadCheckpoint } from '../../../torch/io/index.js';
import { checkFile } from '../initial-weights.js';

type Params = Record<string, unknown>;
const dummyLoss: ModelConfig = { target: 'taming.modules.losses.DummyLoss' };

/** Fills in the first stage in the model section, and the sizes that depend on it. */
export async function adoptFirstStage(config: RunConfig): Promise<RunConfig> {
  const { model, data, training } = config;
  const params: Params = { ...model.params };
  let first = params['first_stage_config'] as ModelConfig | undefined;
  if (training.vqgan !== undefined && isRun(training.vqgan)) {
    const stored = await readConfig(training.vqgan);
    if (stored.stage !== 'vqgan') {
      throw new RunError(`training.vqgan: ${training.vqgan} is the run of a ${stored.stage}, not of a VQGAN`);
    }
    if (stored.data.size !== data.size) {
      throw new RunError(
        `data.size is ${data.size}, but the VQGAN in ${training.vqgan} was trained on ${stored.data.size} pixels: set data.size=${stored.data.size}`,
      );
    }
    first = stored.model;
  }
  checkFirstStageFile(training.vqgan, first);
  if (!first) {
    if (training.vqgan !== undefined) {
      throw new RunError(
        `training.vqgan: ${training.vqgan} is a checkpoint file, which does not say what model it is of; describe it in ` +
          'model.params.first_stage_config, as the reference does',
      );
    }
    throw new RunError(
      'a transformer is trained on the codes of a VQGAN: name its run in training.vqgan (--vqgan RUN)',
    );
  }
  const firstParams = { ...first.params, lossconfig: dummyLoss } as Params;
  params['first_stage_config'] = { ...first, params: firstParams };
  if (params['cond_stage_config'] === undefined && params['unconditional'] === undefined) {
    params['unconditional'] = true;
  }
  if (params['unconditional'] === true) params['cond_stage_config'] ??= '__is_unconditional__';
  const gpt = params['transformer_config'] as ModelConfig | undefined;
  if (gpt)
    params['transformer_config'] = {
      ...gpt,
      params: { ...sizes(firstParams, params, data.size), ...gpt.params },
    };
  return { ...config, data: { ...data, channels: channelsOf(first) }, model: { ...model, params } };
}

/** Returns the minimum sizes of a transformer over the codes of a first stage. */
export function sizes(
  first: Params,
  params: Params,
  size: number,
): { vocab_size: number; block_size: number } {
  const { nCodes, codesPerSide } = codesOfConfig(first);
  const condition = params['cond_stage_config'] as ModelConfig | string | undefined;
  const classes = typeof condition === 'object' ? ((condition.params?.['n_classes'] ?? 0) as number) : 0;
  const start = condition === '__is_unconditional__' ? ((params['sos_token'] ?? 0) as number) : 0;
  return { vocab_size: Math.max(nCodes, classes, start + 1), block_size: codesPerSide(size) ** 2 };
}

/** Checks that the file named for the first stage exists, before anything is written. */
function checkFirstStageFile(vqgan: string | undefined, first: ModelConfig | undefined): void {
  if (vqgan !== undefined) {
    if (existsSync(vqgan)) return;
    throw new RunError(
      `training.vqgan: there is no trained VQGAN at ${vqgan}; name its run (--vqgan RUN), or a file of its weights`,
    );
  }
  const path = first?.params?.['ckpt_path'];
  if (typeof path === 'string') checkFile(path, 'model.params.first_stage_config.params.ckpt_path');
}

const isRun = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/** Loads the trained weights into the model's first stage; returns a note if the file has them under a key prefix. */
export async function loadFirstStage(first: nn.Module, config: RunConfig): Promise<string | null> {
  const params = config.model.params?.['first_stage_config'] as { params: Params };
  const path = config.training.vqgan ?? (params.params['ckpt_path'] as string | undefined);
  if (path === undefined || !existsSync(path)) {
    throw new RunError(
      `there is no trained VQGAN at ${path ?? '(nothing named)'}; name its run in training.vqgan (--vqgan RUN)`,
    );
  }
  if (isRun(path)) {
    const { model } = await openRun(path, 'vqgan', 'cpu');
    first.loadStateDict(model.stateDict());
    torch.dispose([...model.parameters(), ...model.buffers()]);
    return null;
  }
  const checkpoint = await loadCheckpoint(path);
  try {
    const ignore = ['loss.', ...(config.training.vqgan === undefined ? ignoreKeysOf(params.params) : [])];
    // Weights saved before a remap do not say which codes are used: the configuration does.
    const keys = [...checkpoint.tensors.keys()];
    if (!keys.some((key) => key.endsWith('quantize.used'))) ignore.push('quantize.used');
    const { prefix } = loadFrom(first, checkpoint.tensors, { ignore });
    return prefix === '' ? null : `the first stage's weights lie below "${prefix}" in ${path}`;
  } catch (cause) {
    throw new RunError(`${path} does not fit first_stage_config: ${(cause as Error).message}`, { cause });
  } finally {
    checkpoint.close();
  }
}
