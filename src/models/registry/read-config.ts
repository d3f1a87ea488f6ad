/** Reads configuration files in YAML or JSON as the reference does, with merge keys and references. */
import type { ModelConfig } from './from-config.js';
import { InterpolationError, resolveInterpolations } from '../../config/interpolation.js';
import { ConfigFileError } from '../../config/file-error.js';
import { readConfigText } from '../../config/text.js';
import { parseYamlText } from '../../config/yaml-text.js';

/** Contents of a configuration file: `model` is the input of `modelFromConfig`; other entries are passed through. */
export interface ConfigFile {
  model: ModelConfig;
  [section: string]: unknown;
}

/**
 * Reads a configuration file of the reference, in YAML or JSON. Merge keys (`<<: *a`) are merged, and references
 * (`${model.params.n_embed}`, `${..ch}`, `${oc.env:HOME}`) are resolved, as in OmegaConf.
 *
 * @param path path of the file; `model` of the result is the input of `modelFromConfig`
 * @throws ConfigFileError if the file does not exist or is not YAML, or a reference is undefined or circular
 *
 * @example
 * ```ts
 * const { model } = await readConfig('model.yaml');
 * console.log(model.target, model.params);
 * ```
 */
export async function readConfig(path: string): Promise<ConfigFile> {
  const text = await readConfigText(path);
  const { content } = parseYamlText(text, path);
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ConfigFileError(`${path}: a configuration is a map of "key: value" lines, such as model:`);
  }
  try {
    return resolveInterpolations(content as Record<string, unknown>).tree as ConfigFile;
  } catch (cause) {
    if (!(cause instanceof InterpolationError)) throw cause;
    throw new ConfigFileError(`${path}: ${cause.path}: ${cause.message}`, { cause });
  }
}
