import type { ModelConfig } from './from-config.js';

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

/** Prefix of LPIPS, whose weights are not kept in runs: they come from a file of their own, the same for every run. */
export const LPIPS_PREFIX = 'loss.perceptual_loss.';

/** True for keys of the discriminator and the perceptual network, which only training uses. */
export const isLoss = (key: string): boolean => /^(first_stage_model\.|cond_stage_model\.)?loss\./.test(key);
