/** Builds models from the reference's configuration files, using a table of known targets. */
import * as nn from '../../torch/nn/index.js';
import { nearest } from '../../config/nearest.js';
import { ConfigError, readTree, show, snakeCase, withNested } from '../../config/read.js';
import { isTree, kept, kind } from '../../config/schema.js';
import { absentTargets, targets } from './targets.js';
import { noteCheckpoint } from '../weights/initial.js';

/** Model configuration of the reference: the `model` entry of its YAML files. */
export interface ModelConfig {
  /** Dotted name of a class in the reference, such as `taming.models.vqgan.VQModel`. */
  target: string;
  /** Arguments of the class, in snake_case. */
  params?: Record<string, unknown> | null;
  /** Stored, but has no effect here: it is a training setting. */
  base_learning_rate?: number;
}

export interface ModelFromConfigOptions {
  /**
   * If false, parameters stay uninitialised, for models whose weights are loaded afterwards. Buffers (masks, permuters,
   * statistics) are always set. Default true.
   */
  init?: boolean;
}

/**
 * Builds a model from a configuration of the reference. It does not import modules by name or read files:
 * `ckpt_path`, `ignore_keys`, `monitor` and schedulers stay in `model.config.params` without effect
 * (`unloadedCheckpoints(model)` lists such files, `initFromCkpt(model)` loads them). So does `image_key` as far as the
 * model goes, but it chooses the field of an example that a trainer reads.
 * `model.config` holds a copy of `config` and the model's own options. `VQModel` gets `legacy: true`, as all published
 * models do, unless it has a setting of LlamaGen's.
 *
 * Throws a TypeError naming the path of an entry that is unknown, missing or of the wrong type.
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
  return readModel<M>(config)({ init });
}

/** Models of a configuration that has been read: each call builds another. */
export type ModelMaker<M extends nn.Module = nn.Module> = (
  options?: ModelFromConfigOptions,
) => M & { config: ModelConfig };

/** A section of a configuration that has been read. */
interface ReadSection {
  make: () => nn.Module;
  /** Replaces a setting, named as in the section, in the models that are made from now on. */
  set(name: string, value: unknown): void;
}

/** Sections of a configuration that have been read, which may be nested. */
export type ReadSections = WeakMap<object, ReadSection>;

/**
 * Reads the configuration that {@link modelFromConfig} takes, with its errors, and returns a function that builds models
 * without reading it again.
 *
 * @param sections sections that were read before and have not changed since; receives those of `config`
 * @param path path of the configuration, used as the prefix of paths in errors
 */
export function readModel<M extends nn.Module = nn.Module>(
  config: ModelConfig,
  sections: ReadSections = new WeakMap(),
  path = '',
): ModelMaker<M> {
  const make = read(config, path, sections) as () => M & { config: ModelConfig };
  return ({ init = true } = {}) => (init ? make() : nn.skipInit(make));
}

function read(config: unknown, path: string, sections: ReadSections): () => nn.Module {
  const before = isTree(config) && sections.get(config);
  if (before) return before.make;
  const { target, params, known } = readTarget(config, path);
  const nested = (inner: unknown, at: string) => read(inner, at, sections);
  const settings = inTarget(target, () =>
    readTree(known.schema, params, { path: below(path, 'params'), snake: true, nested }),
  );
  const make = () => {
    const model = inTarget(target, () => known.make(withNested(known.schema, settings)));
    const own = (model as { config?: object }).config;
    if (params) noteCheckpoint(model, params);
    return Object.assign(model, { config: { ...own, ...(structuredClone(config) as ModelConfig) } });
  };
  const set = (name: string, value: unknown) => {
    const key = Object.keys(known.schema).find((one) => snakeCase(one) === name);
    if (key !== undefined) Object.assign(settings, { [key]: value });
  };
  sections.set(config as ModelConfig, { make, set });
  return make;
}

/**
 * Validates a configuration for `modelFromConfig` without building the model.
 *
 * @param path path of the configuration, used as the prefix of paths in errors
 * @param partial true if missing entries, including targets, may be supplied from another file
 * @throws ConfigError for the first key that is unknown, missing or of the wrong type
 */
export function checkModelConfig(config: unknown, path: string, partial: boolean): void {
  if (partial && isTree(config) && config['target'] === undefined)
    return void readEntries(config, path, true);
  const { params, known } = readTarget(config, path);
  const nested = (inner: unknown, at: string) => {
    checkModelConfig(inner, at, partial);
    return unbuilt;
  };
  readTree(known.schema, params, {
    path: below(path, 'params'),
    snake: true,
    partial,
    wrongFirst: true,
    nested,
  });
}

const unbuilt = (): never => {
  throw new Error('a configuration that is only checked builds no model');
};

const below = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

const named = new WeakSet<object>();

/** Calls the function, whose errors then begin with the target of the innermost model. */
function inTarget<T>(target: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (error instanceof Error && !named.has(error)) {
      error.message = `${target}: ${error.message}`;
      named.add(error);
    }
    throw error;
  }
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
    throw new ConfigError(path, `${where} has no target, but a "model" entry: pass that entry`);
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
