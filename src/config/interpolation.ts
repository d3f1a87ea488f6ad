/**
 * References inside a configuration, as OmegaConf reads them: absolute `${a.b}`, relative `${.c}` and `${..c}`,
 * `${list[0]}`, references inside references and inside strings, and `\${` for the characters themselves.
 */
import { nearest } from './nearest.js';
import { argumentsOf, isInterpolation, parseTemplate, type Template } from './interpolation-syntax.js';
import { yaml } from './yaml.js';

/** Thrown if a reference cannot be resolved. */
export class InterpolationError extends TypeError {
  /** Path of the value that contains the reference, such as `model.params.n_embed`. */
  readonly path: string;

  constructor(path: readonly string[], message: string) {
    super(message);
    this.path = path.join('.');
  }
}

type Tree = Record<string, unknown>;
type Path = readonly string[];

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A configuration without references, and the top-level names that were referred to. */
export interface Resolved {
  readonly tree: Tree;
  readonly used: ReadonlySet<string>;
}

/**
 * Replaces every reference with the value it refers to.
 *
 * @throws InterpolationError if one refers to nothing, to itself, or to an unknown resolver
 */
export function resolveInterpolations(tree: Tree): Resolved {
  const resolver = new Resolver(tree);
  return { tree: resolver.value(tree, []) as Tree, used: resolver.used };
}

/** Returns the value at a path, with its references resolved; undefined if there is none. */
export function valueAt(tree: Tree, path: Path): unknown {
  const resolver = new Resolver(tree);
  let node: unknown = tree;
  for (const key of path) node = isTree(node) && Object.hasOwn(node, key) ? node[key] : undefined;
  return node === undefined ? undefined : resolver.value(node, path);
}

/** Result of resolving a string: another node, or a new value. */
type Outcome = { readonly at: Path; readonly node: unknown } | { readonly value: unknown };

class Resolver {
  readonly used = new Set<string>();
  readonly #root: Tree;
  /** Paths of the strings that are being resolved. */
  readonly #active: string[] = [];
  /** Paths of strings that are resolved only on the way to a node below them. */
  readonly #passing: string[] = [];

  constructor(root: Tree) {
    this.#root = root;
  }

  /** Returns the node at a path, resolved recursively. */
  value(node: unknown, at: Path): unknown {
    if (isInterpolation(node)) {
      return this.#inside(at, this.#active, () => this.#valueOf(this.#outcome(node, at)));
    }
    if (Array.isArray(node)) return node.map((item, i) => this.value(item, [...at, String(i)]));
    if (!isTree(node)) return node;
    return Object.fromEntries(
      Object.entries(node).map(([key, item]) => [key, this.value(item, [...at, key])]),
    );
  }

  #valueOf(outcome: Outcome): unknown {
    return 'value' in outcome ? outcome.value : this.value(outcome.node, outcome.at);
  }

  #inside<T>(at: Path, active: string[], follow: () => T): T {
    const name = at.join('.');
    const before = active.indexOf(name);
    if (before >= 0) {
      const circle = [...active.slice(before), name].join(' → ');
      throw new InterpolationError(at, `circular reference: ${circle}`);
    }
    active.push(name);
    try {
      return follow();
    } finally {
      active.pop();
    }
  }

  #outcome(text: string, at: Path): Outcome {
    const template = parseTemplate(text, (message) => {
      throw new InterpolationError(at, `${JSON.stringify(text)}: ${message}`);
    });
    const [only] = template;
    if (template.length === 1 && typeof only === 'object') return this.#follow(only.reference, at);
    return { value: this.#text(template, at) };
  }

  #text(template: Template, at: Path): string {
    const textOf = (part: Template[number]): string =>
      typeof part === 'string' ? part : asText(this.#valueOf(this.#follow(part.reference, at)), at);
    return template.map(textOf).join('');
  }

  #follow(reference: Template, at: Path): Outcome {
    const [start] = reference;
    const resolver = typeof start === 'string' ? /^\s*([A-Za-z_][\w.]*)\s*:/.exec(start) : null;
    if (resolver !== null) {
      const rest: Template = [(start as string).slice(resolver[0].length), ...reference.slice(1)];
      return this.#resolve(resolver[1]!, rest, at);
    }
    return this.#locate(this.#text(reference, at).trim(), at);
  }

  #locate(reference: string, at: Path): Outcome & { node: unknown } {
    const found = this.#find(reference, at);
    if (found !== undefined) return found;
    throw this.#nothing(reference, at);
  }

  /** Returns the node that a reference refers to; undefined if there is none. */
  #find(reference: string, at: Path): { at: Path; node: unknown } | undefined {
    const path = this.#pathOf(reference, at);
    let here: { at: Path; node: unknown } = { at: [], node: this.#root };
    for (const key of path) {
      here = this.#real(here);
      const { node } = here;
      const known = Array.isArray(node) ? /^\d+$/.test(key) && Number(key) < node.length : isTree(node);
      if (!known || !Object.hasOwn(node as object, key)) return undefined;
      here = { at: [...here.at, key], node: (node as Tree)[key] };
    }
    if (path[0] !== undefined) this.used.add(path[0]);
    if (here.node === '???') {
      throw new InterpolationError(
        at,
        `"\${${reference}}" refers to ${path.join('.')}, which has no value yet (???)`,
      );
    }
    return here;
  }

  /** Follows references from a node to one that is not a reference. */
  #real(here: { at: Path; node: unknown }): { at: Path; node: unknown } {
    const { at, node } = here;
    if (!isInterpolation(node)) return here;
    return this.#inside(at, this.#passing, () => {
      const outcome = this.#outcome(node, at);
      return 'value' in outcome ? { at, node: outcome.value } : this.#real(outcome);
    });
  }

  #pathOf(reference: string, at: Path): string[] {
    const dots = /^\.*/.exec(reference)![0].length;
    const keys = reference
      .slice(dots)
      .replace(/\[([^[\]]*)\]/g, '.$1')
      .split('.');
    const parts = reference.length === dots ? [] : keys.filter((key, i) => !(i === 0 && key === ''));
    if (parts.length === 0 && dots === 0)
      throw new InterpolationError(at, '"${}" is empty; write the path of a setting in it');
    if (dots > at.length) {
      throw new InterpolationError(
        at,
        `"\${${reference}}" leads above the top: ${at.join('.')} is ${at.length} levels deep`,
      );
    }
    return dots === 0 ? parts : [...at.slice(0, at.length - dots), ...parts];
  }

  #nothing(reference: string, at: Path): InterpolationError {
    const path = this.#pathOf(reference, at);
    let node: unknown = this.#root;
    let depth = 0;
    for (; depth < path.length && isTree(node) && Object.hasOwn(node, path[depth]!); depth++) {
      node = node[path[depth]!];
    }
    const above = path.slice(0, depth);
    const candidate = isTree(node) ? nearest(path[depth]!, Object.keys(node)) : undefined;
    const hint = candidate === undefined ? '' : `; did you mean "${[...above, candidate].join('.')}"?`;
    return new InterpolationError(
      at,
      `"\${${reference}}" refers to nothing: there is no ${path.slice(0, depth + 1).join('.')}${hint}`,
    );
  }

  #resolve(name: string, rest: Template, at: Path): Outcome {
    const [first = [''], second] = argumentsOf(rest);
    const value = (template: Template): unknown => this.#argument(template, at);
    if (name === 'oc.env' || name === 'env') {
      const variable = this.#text(first, at).trim();
      const set = process.env[variable];
      if (set !== undefined) return { value: name === 'env' ? yaml().parse(set) : set };
      if (second === undefined) {
        throw new InterpolationError(
          at,
          `"\${${name}:${variable}}": the environment has no variable ${variable}`,
        );
      }
      const given = value(second);
      return { value: given === null || name === 'env' ? given : asText(given, at) };
    }
    if (name === 'oc.select') {
      const found = this.#find(this.#text(first, at).trim(), at);
      return found ?? { value: second === undefined ? null : value(second) };
    }
    if (name === 'oc.decode') {
      const text = value(first);
      return { value: typeof text === 'string' ? yaml().parse(text) : text };
    }
    throw new InterpolationError(
      at,
      `"\${${name}:…}": unknown resolver ${name}; supported are oc.env, oc.select and oc.decode. Write the value ` +
        'itself instead',
    );
  }

  /** Returns an argument of a resolver: the value of a reference, or the text parsed as YAML. */
  #argument(template: Template, at: Path): unknown {
    const parts = template.filter((part) => typeof part === 'object' || part.trim() !== '');
    const [only] = parts;
    if (parts.length === 1 && typeof only === 'object')
      return this.#valueOf(this.#follow(only.reference, at));
    const text = this.#text(template, at).trim();
    return text === '' ? '' : yaml().parse(text);
  }
}

/** Returns a value as a string, as Python writes it. */
function asText(value: unknown, at: Path): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'object') {
    throw new InterpolationError(
      at,
      'a reference inside a string refers to a map or a list; only strings, numbers and booleans can be inserted',
    );
  }
  return typeof value === 'string' ? value : (value as number | bigint).toString();
}
