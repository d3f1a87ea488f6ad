/**
 * Traversal of the module tree. A node's contents are passed as functions, since only modules may access each other's.
 */
import { TorchError } from '../index.js';
import { join } from './module-keys.js';

type Below<Node> = (node: Node) => readonly [string, Node][];

/** Drops entries whose value has occurred before. */
export function once<T>(entries: [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return entries.filter(([, value]) => !seen.has(value) && seen.add(value));
}

/** Lists the root under the empty key and all nodes below it, depth first, each once. */
export function allBelow<Node>(root: Node, below: Below<Node>): [string, Node][] {
  const found = new Map<Node, string>();
  const walk = (key: string, node: Node): void => {
    if (found.has(node)) return;
    found.set(node, key);
    for (const [name, child] of below(node)) walk(join(key, name), child);
  };
  walk('', root);
  return [...found].map(([node, key]) => [key, node]);
}

/** Lists what the root and all nodes below it own, such as tensors; that of a node that occurs twice is listed twice. */
export function stateEntries<Node extends object, T>(
  root: Node,
  own: (node: Node) => readonly [string, T][],
  below: Below<Node>,
): [string, T][] {
  const entries: [string, T][] = [];
  const above = new Set<Node>();
  const walk = (key: string, node: Node): void => {
    if (above.has(node)) {
      throw new TorchError(
        `${node.constructor.name} contains itself (at ${JSON.stringify(key)}); hold references to outer modules in #private fields`,
      );
    }
    above.add(node);
    for (const [name, value] of own(node)) entries.push([join(key, name), value]);
    for (const [name, child] of below(node)) walk(join(key, name), child);
    above.delete(node);
  };
  walk('', root);
  return entries;
}

/** Returns the keys, below the root, of what the classes of its nodes name as `mayLack`. */
export function lackableKeys<Node extends object>(root: Node, below: Below<Node>): Set<string> {
  const own = ({ constructor }: Node): [string, null][] =>
    ((constructor as { mayLack?: readonly string[] }).mayLack ?? []).map((key) => [key, null]);
  return new Set(stateEntries(root, own, below).map(([key]) => key));
}
