/** Walks over the tree of modules. What a node holds is given as functions, since only modules may ask each other that. */
import { TorchError } from '../index.js';
import type { Tensor } from '../index.js';
import { join } from './module-keys.js';

type Below<Node> = (node: Node) => readonly [string, Node][];

/** Drops entries whose value came before. */
export function once<T>(entries: [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return entries.filter(([, value]) => !seen.has(value) && seen.add(value));
}

/** The root under the empty key and all nodes below it, depth first, each once. */
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

/** The own tensors of the root and of all nodes below it; those of a node that occurs twice come twice. */
export function stateEntries<Node extends object>(
  root: Node,
  own: (node: Node) => readonly [string, Tensor][],
  below: Below<Node>,
): [string, Tensor][] {
  const entries: [string, Tensor][] = [];
  const above = new Set<Node>();
  const walk = (key: string, node: Node): void => {
    if (above.has(node)) {
      throw new TorchError(
        `${node.constructor.name} contains itself (at ${JSON.stringify(key)}); hold references to outer modules in #private fields`,
      );
    }
    above.add(node);
    for (const [name, tensor] of own(node)) entries.push([join(key, name), tensor]);
    for (const [name, child] of below(node)) walk(join(key, name), child);
    above.delete(node);
  };
  walk('', root);
  return entries;
}
