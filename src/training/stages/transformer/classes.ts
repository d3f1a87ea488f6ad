/** Class-conditional transformers: the number of classes comes from the dataset. */
import type { ModelConfig } from '../../../models/registry/from-config.js';
import type { Tensor } from '../../../torch/index.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import type { Images } from '../../images.js';
import { adoptNumbers } from '../../engine/model-section.js';
import { isModel, mapSeveral, sectionsOfSeveral } from './condition-sections.js';
import { adoptNullToken, LABELATOR, sizesOfCondition } from './first-stage.js';

type Params = Record<string, unknown>;

/** Returns the class label condition, which may be one of several; undefined if there is none. */
function labelCondition({ model }: RunConfig): ModelConfig | undefined {
  const condition = model.params?.['cond_stage_config'];
  const sections = sectionsOfSeveral(condition) ?? (isModel(condition) ? [condition] : []);
  return sections.find(({ target }) => target === LABELATOR);
}

/** Returns the distinct classes among labels [N], sorted. */
export function classesAmong(labels: Tensor): number[] {
  const numbers = new Set(labels.toTypedArray() as BigInt64Array);
  return [...numbers].map(Number).sort((a, b) => a - b);
}

/**
 * Returns `count` of the classes for a preview grid: all equally often, or an even selection if there are more classes.
 */
export function spreadOver(classes: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => classes[Math.floor((i * classes.length) / count)] ?? 0);
}

/**
 * Fills in the number of classes if the condition leaves it out, and the id of a dropped class after them if classes are to
 * be dropped. Enlarges the vocabulary to hold them.
 */
function withClasses(config: RunConfig, count: number): RunConfig {
  const condition = labelCondition(config);
  if (!condition || condition.params?.['n_classes'] !== undefined) return config;
  const params: Params = { ...config.model.params };
  const counted = { ...condition, params: { ...condition.params, n_classes: count } };
  const whole = params['cond_stage_config'] as ModelConfig;
  params['cond_stage_config'] =
    whole === condition ? counted : mapSeveral(whole, (one) => (one === condition ? counted : one));
  const first = (params['first_stage_config'] as ModelConfig).params as Params;
  adoptNullToken(config, first, params);
  const { ids: own } = sizesOfCondition(first, params, config.data.size);
  const ids = Math.max(own, ((params['null_token'] ?? -1) as number) + 1);
  const gpt = params['transformer_config'] as ModelConfig | undefined;
  const vocabulary = gpt?.params?.['vocab_size'] as number | undefined;
  if (gpt && vocabulary !== undefined) {
    params['transformer_config'] = {
      ...gpt,
      params: { ...gpt.params, vocab_size: Math.max(vocabulary, ids) },
    };
  }
  return { ...config, model: { ...config.model, params } };
}

/** Model sections with one class, by those without a number of classes that they were made of. */
const assumed = new WeakMap<ModelConfig, ModelConfig>();

/** Returns the configuration to check before the images are opened, which tell the number of classes. */
export function withOneClass(config: RunConfig): RunConfig {
  const one = withClasses(config, 1);
  if (one !== config) assumed.set(config.model, one.model);
  return one;
}

/** Returns the configuration with its number of classes. The model section that was checked without it is read no more. */
function withCounted(config: RunConfig, count: number): RunConfig {
  const counted = withClasses(config, count);
  const model = assumed.get(config.model);
  if (!model) return counted;
  adoptNumbers(model, counted.model);
  return { ...counted, model };
}

/**
 * Sets the number of classes of a class label condition from the dataset, if it is left out.
 *
 * @throws RunError if the images have no classes, or more than the configuration says
 */
export function countClasses(config: RunConfig, { train: { classes } }: Images): RunConfig {
  const settled = withCounted(config, classes.length);
  const condition = labelCondition(settled);
  if (!condition) return settled;
  if (classes.length === 0) {
    throw new RunError(
      `the images in ${config.data.path} have no classes to learn from: put them in one sub-folder per class, ` +
        'or train without -c classes',
    );
  }
  const known = condition.params?.['n_classes'] as number;
  if (known < classes.length) {
    throw new RunError(
      `model.params.cond_stage_config.params.n_classes is ${known}, but the images have ${classes.length} classes: ` +
        `leave it out, or set it to ${classes.length}`,
    );
  }
  return settled;
}
