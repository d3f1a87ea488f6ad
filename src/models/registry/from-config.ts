/** Models from the reference's own configuration files, through a table of known targets. */
import * as nn from '../../torch/nn/index.js';
import { nearest } from '../../config/nearest.js';
import { ConfigError, readTree, show } from '../../config/read.js';
import { isTree, kept, kind } from '../../config/schema.js';
import { absentTargets, targets } from './targets.js';
import { noteCheckpoint } from '../weights/initial.js';

/** The reference's structure, as its YAML files hold it under `model`. */
export interface ModelConfig {
  /** Dotted name of a class of the reference, such as `taming.models.vqgan.VQModel`. */
  target: string;
  /** Its arguments, snake_case. */
  params?: Record<string, unknown> | null;
  /** Kept, not acted on: it belongs to training. */
  base_learning_rate?: number;
}

export interface ModelFromConfigOptions {
  /**
   * false leaves parameters uninitialised, for models whose weights are loaded next; buffers (masks, permuters,
   * statistics) are set either way. Default true.
   */
  init?: boolean;
}

/**
 * Builds a model from a configuration of the reference. Nothing is imported by name and no file is read:
 * `ckpt_path`, `ignore_keys`, `monitor`, `image_key` and schedulers stay in `model.config.params` without effect
 * (`unloadedCheckpoints(model)` lists such files, `initFromCkpt(model)` loads them);
 * `model.config` holds a copy of `config` beside the model's own options. `VQModel` gets `legacy: true`, as every published model.
 *
 * Throws a TypeError naming the path of what is unknown, missing or of the wrong kind.
 *
 * @example
 * ```ts
 * const { model: config } = await readConfig('model.yaml');
 * const model = modelFromConfig(config, { init: false });
 * model.loadStateDict((await loadCheckpoint('weights.ckpt')).tensors);
 * ```
 */
export function modelFromConfig<M extends nn.Module = nn.Module>(
  config: ModelConfig,
  { init = true }: ModelFromConfigOptions = {},
): M & { config: ModelConfig } {
  return (init ? build(config, '') : nn.skipInit(() => build(config, ''))) as M & { config: ModelConfig };
}

function build(config: unknown, path: string): nn.Module {
  const { target, params, known } = readTarget(config, path);
  let model: nn.Module;
  try {
    model = known.make(readTree(known.schema, params, { path: below(path, 'params'), snake: true, build }));
  } catch (error) {
    throw withTarget(error, target);
  }
  const own = (model as { config?: object }).config;
  if (params) noteCheckpoint(model, params);
  return Object.assign(model, { config: { ...own, ...(structuredClone(config) as ModelConfig) } });
}

/**
 * Checks a configuration as `modelFromConfig` will read it, and builds nothing.
 *
 * @param path where it stands; what paths in errors begin with
 * @param partial true where what is missing comes from elsewhere, a target that stands in another file among it
 * @throws ConfigError for the first key that is unknown, missing or of the wrong kind
 */
export function checkModelConfig(config: unknown, path: string, partial: boolean): void {
  if (partial && isTree(config) && config['target'] === undefined)
    return void readEntries(config, path, true);
  const { params, known } = readTarget(config, path);
  const check = (nested: unknown, at: string) => checkModelConfig(nested, at, partial);
  readTree(known.schema, params, { path: below(path, 'params'), snake: true, partial, check });
}

const below = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

const named = new WeakSet<object>();

/** Says once, by the innermost target, which model a message is about. */
function withTarget(error: unknown, target: string): unknown {
  if (error instanceof Error && !named.has(error)) {
    error.message = `${target}: ${error.message}`;
    named.add(error);
  }
  return error;
}

const modelSchema = {
  target: kind<string>('the dotted name of a class', (value) => typeof value === 'string')(),
  params: kept<Record<string, unknown>>(),
  baseLearningRate: kept<number>(),
};

function readEntries(config: unknown, path: string, partial = false) {
  const where = path || 'the configuration';
  if (!isTree(config)) {
    throw new ConfigError(path, `${where} must be an object { target, params }, got ${show(config)}`);
  }
  if ('model' in config && !('target' in config)) {
    throw new ConfigError(path, `${where} has no target, but a "model" entry: pass that`);
  }
  const note = " (a model's arguments belong under params)";
  return readTree(modelSchema, config, { path, snake: true, partial, note });
}

function readTarget(config: unknown, path: string) {
  const { target, params } = readEntries(config, path);
  const known = targets.get(target);
  if (known) return { target, params, known };
  const absent = absentTargets.get(target);
  const hint = absent
    ? `cannot be built: ${absent}`
    : `is not known; the nearest is "${nearest(target, targets.keys())}"`;
  throw new ConfigError(below(path, 'target'), `${below(path, 'target')}: "${target}" ${hint}`);
}
