/** Weights of the perceptual term: from a file, from the location where `tessera-torch setup` stores them, or none. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import { loadFrom } from '../../../models/weights/initial.js';
import { storedLpips } from '../../../models/weights/lpips.js';
import type { VQLPIPSWithDiscriminator } from '../../../models/losses/vqgan-loss.js';
import { loadCheckpoint } from '../../../torch/io/index.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';

/** Records which weights are used. Without weights the term's weight is 0, in the recorded configuration too. */
export async function settleLpips(config: RunConfig, notes: string[]): Promise<RunConfig> {
  const params = config.model.params as { lossconfig?: ModelConfig } | null | undefined;
  const loss = params?.lossconfig;
  if (!loss?.target?.endsWith('VQLPIPSWithDiscriminator')) return config;
  const given = config.training.lpips;
  const wanted = (loss.params?.['perceptual_weight'] ?? 1) !== 0;
  const found = given ?? storedLpips() ?? 'off';
  if (wanted && found !== 'off') {
    if (!existsSync(found)) throw missing(found);
    return { ...config, training: { ...config.training, lpips: resolve(found) } };
  }
  if (wanted) {
    notes.push(
      'the perceptual term is off' +
        (given === 'off'
          ? ''
          : ': no LPIPS weights are installed (to install them: npx tessera-torch setup --weights lpips --from FILE)'),
    );
  }
  const silent = { ...loss, params: { ...loss.params, perceptual_weight: 0 } };
  return {
    ...config,
    model: { ...config.model, params: { ...params, lossconfig: silent } },
    training: { ...config.training, lpips: 'off' },
  };
}

/** @throws RunError if the file does not exist or holds other weights */
export async function loadLpips(
  loss: Pick<VQLPIPSWithDiscriminator, 'perceptualLoss'>,
  file: string | undefined,
): Promise<void> {
  if (file === undefined || file === 'off') return;
  if (!existsSync(file)) throw missing(file);
  using checkpoint = await loadCheckpoint(file);
  try {
    loadFrom(loss.perceptualLoss, checkpoint.tensors);
  } catch (cause) {
    throw new RunError(
      `training.lpips: ${file} does not contain the reference's LPIPS weights; name another file, or set it to off ` +
        `(${(cause as Error).message.split(/:?\n/)[0]})`,
      { cause },
    );
  }
}

function missing(file: string): RunError {
  return new RunError(
    `training.lpips: there is no file ${file}; name a safetensors file with LPIPS weights, or set it to off`,
  );
}
