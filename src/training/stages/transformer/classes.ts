/** A second stage that is told classes: how many there are is known from the pictures. */
import type { ModelConfig } from '../../../models/registry/from-config.js';
import type { Tensor } from '../../../torch/index.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import type { Images } from '../../images.js';

const LABELATOR = 'taming.modules.util.Labelator';
type Params = Record<string, unknown>;

/** The condition on class labels, where there is one. */
function labelCondition({ model }: RunConfig): ModelConfig | null {
  const condition = model.params?.['cond_stage_config'] as ModelConfig | string | undefined;
  return typeof condition === 'object' && condition.target === LABELATOR ? condition : null;
}

/** The classes that labels [N] name, in order. */
export function classesAmong(labels: Tensor): number[] {
  const numbers = new Set(labels.toTypedArray() as BigInt64Array);
  return [...numbers].map(Number).sort((a, b) => a - b);
}

/** `count` of the given classes for a grid to look at: each as often as the others, or where they are more, some of all. */
export function spreadOver(classes: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => classes[Math.floor((i * classes.length) / count)] ?? 0);
}

/** The number of classes filled in, where the condition leaves it out, and a vocabulary that holds as many. */
export function withClasses(config: RunConfig, count: number): RunConfig {
  const condition = labelCondition(config);
  if (!condition || condition.params?.['n_classes'] !== undefined) return config;
  const params: Params = { ...config.model.params };
  params['cond_stage_config'] = { ...condition, params: { ...condition.params, n_classes: count } };
  const gpt = params['transformer_config'] as ModelConfig | undefined;
  const vocabulary = gpt?.params?.['vocab_size'] as number | undefined;
  if (gpt && vocabulary !== undefined && vocabulary < count) {
    params['transformer_config'] = { ...gpt, params: { ...gpt.params, vocab_size: count } };
  }
  return { ...config, model: { ...config.model, params } };
}

/**
 * Settles how many classes a condition on class labels tells apart: as many as the pictures have.
 *
 * @throws RunError if the pictures have none, or more than the configuration says
 */
export function countClasses(config: RunConfig, { train: { classes } }: Images): RunConfig {
  const settled = withClasses(config, classes.length);
  const condition = labelCondition(settled);
  if (!condition) return settled;
  if (classes.length === 0) {
    throw new RunError(
      `the pictures in ${config.data.path} have no classes to learn from: put them in one sub-folder a class, ` +
        'or train without -c classes',
    );
  }
  const known = condition.params?.['n_classes'] as number;
  if (known < classes.length) {
    throw new RunError(
      `model.params.cond_stage_config.params.n_classes is ${known}, and the pictures have ${classes.length} classes. ` +
        'Left out, it is filled in',
    );
  }
  return settled;
}
