/** YAML configuration files, merged left to right, with `key.sub=value` overrides, and where each value came from. */
import { isMap, isScalar, parse, type Document, type LineCounter, type ParsedNode } from 'yaml';
import { InterpolationError, resolveInterpolations, valueAt } from '../../../config/interpolation.js';
import { isInterpolation } from '../../../config/interpolation-syntax.js';
import { ConfigFileError } from '../../../config/file-error.js';
import { readConfigText } from '../../../config/text.js';
import { anchoredNames, parseYamlText } from '../../../config/yaml-text.js';
import { UsageError } from '../../usage-error.js';

/** A configuration as plain data. */
export type ConfigTree = { [key: string]: unknown };

export class ConfigSource {
  /** What all files and overrides come to. */
  readonly tree: ConfigTree = {};
  readonly #places = new Map<string, string>();
  /** Names at the top that are there for others to refer to. */
  readonly #helpers = new Set<string>();

  /** Reads a file on top of what there is: maps are merged, everything else is replaced. */
  async readFile(path: string): Promise<void> {
    const text = await readConfigText(path).catch(asUsage);
    this.readText(text, path);
  }

  /** The same from text; `name` is what messages call it. */
  readText(text: string, name: string): void {
    const yaml = asUsageError(() => parseYamlText(text, name));
    const { content, document, lines } = yaml;
    if (content === null || content === undefined) return;
    if (!isTree(content)) {
      throw new UsageError(
        `${name}: a configuration is a map of "key: value" lines (model:, data:, training:)`,
      );
    }
    this.#notePlaces(document, lines, name);
    // Also where what refers to them is overridden later.
    for (const key of [...anchoredNames(yaml), ...referredNames(content)]) this.#helpers.add(key);
    this.#merge(content);
  }

  /** Puts plain data on top; `name` is what messages call it. */
  put(values: ConfigTree, name: string): void {
    const note = (tree: ConfigTree, path: readonly string[]) => {
      for (const [key, value] of Object.entries(tree)) {
        const here = [...path, key];
        this.#places.set(here.join('.'), name);
        if (isTree(value)) note(value, here);
      }
    };
    note(values, []);
    this.#merge(values);
  }

  /** Puts another source on top. */
  merge(other: ConfigSource): void {
    for (const [path, place] of other.#places) this.#places.set(path, place);
    for (const key of other.#helpers) this.#helpers.add(key);
    this.#merge(other.tree);
  }

  /** Applies `key.sub=value`; the value is read as YAML reads it (`1e-3`, `true`, `[1, 2]`, `text`). */
  override(assignment: string): void {
    const at = assignment.indexOf('=');
    const path = assignment.slice(0, at).split('.');
    if (at < 1 || path.some((key) => key === '')) {
      throw new UsageError(
        `"${assignment}": an override is written key.sub=value, such as training.steps=1000`,
      );
    }
    let value: unknown;
    try {
      value = parse(assignment.slice(at + 1), { merge: true });
    } catch (error) {
      throw new UsageError(`"${assignment}": not a YAML value: ${(error as Error).message.split('\n')[0]}`);
    }
    let tree: ConfigTree = this.tree;
    for (const [depth, key] of path.slice(0, -1).entries()) {
      const below = this.#mapAt(path.slice(0, depth + 1), tree[key]) ?? {};
      if (!isTree(below)) {
        throw new UsageError(`"${assignment}": ${path.slice(0, depth + 1).join('.')} has no keys below it`);
      }
      tree[key] = below;
      tree = below;
    }
    tree[path.at(-1)!] = value;
    this.#places.set(path.join('.'), `"${assignment}"`);
  }

  /**
   * Replaces references such as `${data.size}` by what they name, in all that was read so far. What stands at the top
   * beside `sections` only to be referred to is taken out.
   */
  resolve(sections: readonly string[]): void {
    const resolved = this.#explained(() => resolveInterpolations(this.tree));
    for (const key of Object.keys(this.tree)) {
      const helper = this.#helpers.has(key) || resolved.used.has(key);
      if (helper && !sections.includes(key)) delete this.tree[key];
      else this.tree[key] = resolved.tree[key];
    }
  }

  /** File and line of a key (or the override that set it); of the nearest key above it where it has none. */
  where(path: string): string | null {
    for (let at = path; at !== ''; at = at.includes('.') ? at.slice(0, at.lastIndexOf('.')) : '') {
      const place = this.#places.get(at);
      if (place !== undefined) return place;
    }
    return null;
  }

  /** Maps are merged, everything else is replaced. */
  #merge(from: ConfigTree, into: ConfigTree = this.tree, above: readonly string[] = []): void {
    for (const [key, value] of Object.entries(from)) {
      const here = [...above, key];
      const old = isTree(value) ? this.#mapAt(here, into[key], above.length === 0 ? from : {}) : undefined;
      if (isTree(value) && isTree(old)) {
        into[key] = old;
        this.#merge(value, old, here);
      } else into[key] = structuredClone(value);
    }
  }

  /** What stands at a path; in place of a reference to a map a copy of that, to be changed. */
  #mapAt(path: readonly string[], found: unknown, beside: ConfigTree = {}): unknown {
    if (!isInterpolation(found)) return found;
    const value = this.#explained(() => valueAt({ ...beside, ...this.tree }, path));
    return isTree(value) ? structuredClone(value) : found;
  }

  /** Follows references; an error names the place. */
  #explained<T>(follow: () => T): T {
    try {
      return follow();
    } catch (error) {
      if (!(error instanceof InterpolationError)) throw error;
      const place = this.where(error.path);
      const at = place === null || place.startsWith('"') ? (place ?? error.path) : `${place}: ${error.path}`;
      throw new UsageError(`${at}: ${error.message}`, { cause: error });
    }
  }

  #notePlaces(document: Document.Parsed<ParsedNode>, lines: LineCounter, name: string): void {
    const note = (node: unknown, path: readonly string[]) => {
      if (!isMap(node)) return;
      for (const { key, value } of node.items) {
        if (!isScalar(key)) continue;
        const here = [...path, String(key.value)];
        const offset = key.range?.[0];
        if (offset !== undefined) this.#places.set(here.join('.'), `${name}:${lines.linePos(offset).line}`);
        note(value, here);
      }
    };
    note(document.contents, []);
  }
}

function asUsageError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    return asUsage(error);
  }
}

function asUsage(error: unknown): never {
  if (error instanceof ConfigFileError) throw new UsageError(error.message, { cause: error });
  throw error;
}

/** The names at the top that texts refer to, at any depth. */
function referredNames(value: unknown): string[] {
  if (typeof value === 'string')
    return [...value.matchAll(/\$\{\s*([A-Za-z_][\w-]*)/g)].map(([, name]) => name!);
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(referredNames) : [];
}

export function isTree(value: unknown): value is ConfigTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
