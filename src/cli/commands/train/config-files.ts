/** YAML configuration files, merged left to right, with `key.sub=value` overrides, and the origin of each value. */
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
  /** Result of merging all files and overrides. */
  readonly tree: ConfigTree = {};
  readonly #places = new Map<string, string>();
  /** Top-level keys that exist only to be referred to. */
  readonly #helpers = new Set<string>();

  /** Merges a file into the current tree: maps are merged, everything else is replaced. */
  async readFile(path: string): Promise<void> {
    const text = await readConfigText(path).catch(asUsage);
    this.readText(text, path);
  }

  /** Merges YAML text; `name` identifies it in messages. */
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
    // Includes keys whose references are overridden later.
    for (const key of [...anchoredNames(yaml), ...referredNames(content)]) this.#helpers.add(key);
    this.#merge(content);
  }

  /** Merges plain data; `name` identifies it in messages. */
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

  /** Merges another source. */
  merge(other: ConfigSource): void {
    for (const [path, place] of other.#places) this.#places.set(path, place);
    for (const key of other.#helpers) this.#helpers.add(key);
    this.#merge(other.tree);
  }

  /** Applies `key.sub=value`; the value is parsed as YAML (`1e-3`, `true`, `[1, 2]`, `text`). */
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
   * Replaces references such as `${data.size}` by their values in everything read so far. Removes top-level keys
   * outside `sections` that exist only to be referred to.
   */
  resolve(sections: readonly string[]): void {
    const resolved = this.#explained(() => resolveInterpolations(this.tree));
    for (const key of Object.keys(this.tree)) {
      const helper = this.#helpers.has(key) || resolved.used.has(key);
      if (helper && !sections.includes(key)) delete this.tree[key];
      else this.tree[key] = resolved.tree[key];
    }
  }

  /** Returns file and line of a key, or the override that set it; those of its nearest parent if it has none. */
  where(path: string): string | null {
    for (let at = path; at !== ''; at = at.includes('.') ? at.slice(0, at.lastIndexOf('.')) : '') {
      const place = this.#places.get(at);
      if (place !== undefined) return place;
    }
    return null;
  }

  /** Merges maps; replaces everything else. */
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

  /** Returns the value at a path; for a reference to a map, a copy of that map, which may be changed. */
  #mapAt(path: readonly string[], found: unknown, besides: ConfigTree = {}): unknown {
    if (!isInterpolation(found)) return found;
    const value = this.#explained(() => valueAt({ ...besides, ...this.tree }, path));
    return isTree(value) ? structuredClone(value) : found;
  }

  /** Follows references; an error names file and line. */
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

/** Returns the top-level keys that texts refer to, at any depth. */
function referredNames(value: unknown): string[] {
  if (typeof value === 'string')
    return [...value.matchAll(/\$\{\s*([A-Za-z_][\w-]*)/g)].map(([, name]) => name!);
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(referredNames) : [];
}

export function isTree(value: unknown): value is ConfigTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
