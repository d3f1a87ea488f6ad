/** Models from the reference's own configuration files, through a table of known targets. */
import * as nn from '../torch/nn/index.js';
import { nearest, readFields } from './config-schema.js';
import { absentTargets, targets } from './config-targets.js';
import { noteCheckpoint } from './initial-weights.js';

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
  const { target, params } = readTarget(config, path);
  const known = targets.get(target);
  if (!known) throw unknownTarget(target, path);
  const where = `${path === '' ? '' : `${path}.`}params`;
  let model: nn.Module;
  try {
    model = known.build(readFields(params, known.fields, where, build));
  } catch (error) {
    throw withTarget(error, target);
  }
  const own = (model as { config?: object }).config;
  if (params) noteCheckpoint(model, params);
  return Object.assign(model, { config: { ...own, ...(structuredClone(config) as ModelConfig) } });
}

const named = new WeakSet<object>();

/** Says once, by the innermost target, which model a message is about. */
function withTarget(error: unknown, target: string): unknown {
  if (error instanceof Error && !named.has(error)) {
    error.message = `${target}: ${error.message}`;
    named.add(error);
  }
  return error;
}

const topLevel = ['target', 'params', 'base_learning_rate'];

function readTarget(config: unknown, path: string): ModelConfig {
  const name = path === '' ? 'The configuration' : path;
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new TypeError(`${name} must be an object { target, params }.`);
  }
  const { target } = config as Partial<ModelConfig>;
  if (typeof target !== 'string') {
    const hint = 'model' in config ? ' It has a "model" entry: pass that.' : '';
    throw new TypeError(`${name} has no target, the dotted name of a class.${hint}`);
  }
  const stray = Object.keys(config).find((key) => !topLevel.includes(key));
  if (stray !== undefined) {
    throw new TypeError(
      `${name} has an unknown entry "${stray}"; the nearest one is "${nearest(stray, topLevel)}" ` +
        `(a model's arguments belong under params).`,
    );
  }
  return config as ModelConfig;
}

function unknownTarget(target: string, path: string): TypeError {
  const where = path === '' ? '' : ` at ${path}`;
  const absent = absentTargets.get(target);
  if (absent !== undefined)
    return new TypeError(`The target "${target}"${where} cannot be built: ${absent}.`);
  return new TypeError(
    `The target "${target}"${where} is not a known one; the nearest is "${nearest(target, targets.keys())}".`,
  );
}
