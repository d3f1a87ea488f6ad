/** The conditions in a model's configuration: one, or each of several. */
import type { ModelConfig } from '../../../models/registry/from-config.js';
import type { RunConfig } from '../../../runs/config.js';

/** Target of several conditions. */
export const SEVERAL = 'tessera.conditions.Several';
type Params = Record<string, unknown>;

/** True for a configuration `{ target, params }`, as opposed to a name. */
export const isModel = (value: unknown): value is ModelConfig => typeof value === 'object' && value !== null;

/** Returns the sections of several conditions; null if a model has one or none. */
export function sectionsOfSeveral(condition: unknown): ModelConfig[] | null {
  if (!isModel(condition) || condition.target !== SEVERAL) return null;
  return [...((condition.params?.['conditions'] as ModelConfig[] | undefined) ?? [])];
}

/** Returns the configuration of a run as if one of its several conditions was its only one. */
export function withOnly(config: RunConfig, section: ModelConfig | undefined): RunConfig {
  const { condition, ...training } = config.training;
  const own = section?.params?.['ckpt_path'] !== undefined;
  const params = { ...config.model.params, cond_stage_config: section };
  return {
    ...config,
    model: { ...config.model, params },
    training: { ...training, ...(condition !== undefined && !own && { condition }) },
  };
}

/** Returns several conditions with each section replaced by what the function returns for it. */
export function mapSeveral(
  condition: ModelConfig,
  change: (section: ModelConfig) => ModelConfig,
): ModelConfig {
  const sections = sectionsOfSeveral(condition)!.map(change);
  return { ...condition, params: { ...(condition.params as Params), conditions: sections } };
}
