/** Mistakes in a configuration, found before anything is opened, with the nearest key and where the mistake stands. */
import { nearest, type Fields } from '../models/config-schema.js';
import { absentTargets, targets } from '../models/config-targets.js';
import { isInterpolation } from '../models/interpolation-syntax.js';
import { isTree, type ConfigSource, type ConfigTree } from './config-files.js';
import { UsageError } from './usage-error.js';

/** Throws a UsageError for the first key that is not known, or whose value is of the wrong kind. */
export function checkConfig(source: ConfigSource, sections: Readonly<Record<string, Fields>>): void {
  const names = ['model', ...Object.keys(sections)];
  for (const [name, section] of Object.entries(source.tree)) {
    if (!names.includes(name)) throw unknownKey(source, name, nearestSection(name, section, sections));
    if (section === null) continue;
    checkSection(source, name);
    if (name === 'model') checkModel(source, section as ConfigTree, name);
    else checkFields(source, section as ConfigTree, sections[name]!, name);
  }
}

/** Throws a UsageError where a section is a value; what refers to another one is looked at when that is followed. */
export function checkSection(source: ConfigSource, name: string): void {
  const section = source.tree[name];
  if (section === undefined || section === null || isTree(section) || isInterpolation(section)) return;
  throw fault(source, name, `"${name}" is a section with keys below it, not a value`);
}

/** For a key at the top level that belongs into a section, the key there. */
function nearestSection(name: string, value: unknown, sections: Readonly<Record<string, Fields>>): string {
  if (!isTree(value)) {
    const home = Object.entries(sections).find(([, fields]) => Object.hasOwn(fields, name));
    if (home) return `${home[0]}.${name}`;
  }
  return nearest(name, ['model', ...Object.keys(sections)])!;
}

/** Follows `target` and `params` through nested models as `modelFromConfig` will. */
function checkModel(source: ConfigSource, config: ConfigTree, path: string): void {
  const known = ['target', 'params', 'base_learning_rate'];
  for (const key of Object.keys(config)) {
    if (known.includes(key)) continue;
    throw unknownKey(source, `${path}.${key}`, `${path}.${nearest(key, known)}`);
  }
  const { target, params } = config;
  // What is merged into a model of another file need not name it again; building it will tell.
  if (typeof target !== 'string') return;
  const fields = targets.get(target)?.fields;
  if (!fields) {
    const reason = absentTargets.get(target);
    const hint = reason
      ? `cannot be built: ${reason}`
      : `is not known; the nearest is ${nearest(target, targets.keys())}`;
    throw fault(source, `${path}.target`, `${path}.target: ${target} ${hint}`);
  }
  if (isTree(params)) checkFields(source, params, fields, `${path}.params`);
}

function checkFields(source: ConfigSource, values: ConfigTree, fields: Fields, path: string): void {
  for (const [name, value] of Object.entries(values)) {
    const here = `${path}.${name}`;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!field) {
      const candidate = nearest(name, Object.keys(fields));
      throw unknownKey(source, here, candidate === undefined ? null : `${path}.${candidate}`);
    }
    if (value === null || value === undefined) continue;
    const { kind } = field;
    if (!kind.accepts(value)) {
      throw fault(source, here, `${here} must be ${kind.description}, not ${JSON.stringify(value)}`);
    }
    if (!isTree(value)) continue;
    if (kind.model) checkModel(source, value, here);
    else if (kind.fields) checkFields(source, value, kind.fields, here);
  }
}

function unknownKey(source: ConfigSource, path: string, candidate: string | null): UsageError {
  const hint = candidate === null ? 'it takes none there' : `did you mean "${candidate}"?`;
  return fault(source, path, `unknown key "${path}"; ${hint}`);
}

/** A UsageError that begins with the file and line of the key. */
function fault(source: ConfigSource, path: string, message: string): UsageError {
  const place = source.where(path);
  return new UsageError(place === null ? message : `${place}: ${message}`);
}
