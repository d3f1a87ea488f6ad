/** Opens a trained model from a run folder, ready to use. */
import { join } from 'node:path';
import { modelFromConfig, type ModelConfig } from '../models/registry/from-config.js';
import type { Net2NetTransformer } from '../models/two-stage.js';
import type { FirstStage } from '../models/autoencoder/vqgan.js';
import { loadCheckpoint } from '../torch/io/index.js';
import type * as nn from '../torch/nn/index.js';
import * as torch from '../torch/index.js';
import { newestCheckpoint } from './checkpoint.js';
import type { RunConfig, Stage } from './config.js';
import { RunError } from './error.js';
import { readConfig } from './folder.js';

export interface OpenedRun<M extends nn.Module> {
  config: RunConfig;
  /** In evaluation mode, on `device`, without its training loss. */
  model: M;
  device: torch.Device;
  /** Step of the checkpoint. */
  step: number;
  checkpoint: string;
  /** Names of the classes it was trained on; empty if there were none. */
  classes: readonly string[];
}

export interface ModelOf {
  vqgan: FirstStage;
  transformer: Net2NetTransformer;
}

/**
 * Opens the newest complete checkpoint of a run of the given stage.
 *
 * @throws RunError if there is none, it is of the other stage, or its weights do not match its configuration
 *
 * @example
 * ```ts
 * const { model } = await openRun('runs/mine', 'vqgan');
 * const { indices } = torch.noGrad(() => model.encode(torch.zeros([1, 3, 64, 64])));
 * ```
 */
export async function openRun<S extends Stage>(
  run: string,
  stage: S,
  device: 'auto' | torch.Device = 'auto',
): Promise<OpenedRun<ModelOf[S]>> {
  const { stage: found, ...config } = await readConfig(run);
  if (found !== stage) {
    throw new RunError(ofOtherStage[stage](run, config));
  }
  const { step, path, state } = await newestCheckpoint(run);
  const model = modelFromConfig(withoutLoss(config.model), { init: false }) as nn.Module as ModelOf[S];
  await loadModelOfRun(model, run, path);
  const chosen = deviceFor(device);
  model.to(chosen);
  model.eval();
  return {
    config,
    model,
    device: chosen,
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
 * Fills a model with the weights of a run's checkpoint that are below `prefix`; the training loss's are left out.
 *
 * @param path of the checkpoint's folder
 * @throws RunError if they do not match
 */
export async function loadModelOfRun(
  model: nn.Module,
  run: string,
  path: string,
  prefix = '',
): Promise<void> {
  const file = join(path, 'model.safetensors');
  const checkpoint = await loadCheckpoint(file);
  try {
    const weights = [...checkpoint.tensors.keys()].filter((key) => key.startsWith(prefix) && !isLoss(key));
    torch.scope(() => {
      model.loadStateDict(
        new Map(weights.map((key) => [key.slice(prefix.length), checkpoint.tensors.get(key)!])),
      );
    });
  } catch (error) {
    throw new RunError(
      `${file} does not match ${join(run, 'config.yaml')} (${reasonOf(error)}): restore either file from a copy`,
      { cause: error },
    );
  } finally {
    checkpoint.close();
  }
}

/** Messages for a run of the other stage, by the requested stage. */
const ofOtherStage: Record<Stage, (run: string, config: RunConfig) => string> = {
  vqgan: (run, { training: { vqgan } }) =>
    `${run} is the run of a transformer; name the run of a VQGAN` +
    (vqgan === undefined ? '' : `, such as ${vqgan}`),
  transformer: (run) =>
    `${run} is the run of a VQGAN, which encodes images but cannot generate new ones; train a transformer on it: ` +
    `npx tessera-torch train transformer --vqgan ${run}`,
};

/** Returns the reason for a mismatch, which a state dict's error has in the lines after its first. */
function reasonOf(error: unknown): string {
  const [first = '', ...rest] = (error as Error).message.split('\n').map((line) => line.trim());
  // A heading and the first key below it.
  return rest.length > 0 ? rest.slice(0, 2).join(' ') : first;
}

/** True for keys of the discriminator and the perceptual network, which only training uses. */
const isLoss = (key: string): boolean => /^(first_stage_model\.|cond_stage_model\.)?loss\./.test(key);

/** Returns a model's configuration without the training loss, whose weights are then not needed. */
export function withoutLoss(config: ModelConfig): ModelConfig {
  const params = { ...config.params };
  if ('lossconfig' in params) params['lossconfig'] = { target: 'taming.modules.losses.DummyLoss' };
  for (const key of ['first_stage_config', 'cond_stage_config']) {
    const inner = params[key];
    if (typeof inner === 'object' && inner !== null) params[key] = withoutLoss(inner as ModelConfig);
  }
  return { ...config, params };
}
