/** Sections `data` and `lightning` of the reference's own files: converts known settings and reports the others. */
import { existsSync } from 'node:fs';
import { isTree, type ConfigTree } from './config-files.js';

/** A setting in the reference's sections, by its path, and the equivalent setting here. */
interface Meaning {
  readonly to: readonly [section: 'data' | 'training', key: string];
  /** Paths in the reference; the first with an accepted value is used. */
  readonly from: readonly string[];
  accepts(value: unknown): boolean;
  /** Other settings that, like the setting itself, take precedence if set. */
  readonly unless?: readonly string[];
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;
const isPositive = (value: unknown): boolean => typeof value === 'number' && value > 0;
const isFile = (value: unknown): boolean => typeof value === 'string' && existsSync(value);
/** Returns paths of a dataset's parameters, which some datasets have in a section `config`. */
const inSet = (set: string, ...names: string[]): string[] =>
  names.flatMap((name) => [`data.params.${set}.params.${name}`, `data.params.${set}.params.config.${name}`]);

const meanings: readonly Meaning[] = [
  { to: ['training', 'batchSize'], from: ['data.params.batch_size'], accepts: isCount },
  {
    to: ['training', 'accumulate'],
    from: ['lightning.trainer.accumulate_grad_batches'],
    accepts: isCount,
  },
  { to: ['training', 'clipNorm'], from: ['lightning.trainer.gradient_clip_val'], accepts: isPositive },
  { to: ['data', 'size'], from: inSet('train', 'crop_size', 'size'), accepts: isCount },
  { to: ['data', 'path'], from: inSet('train', 'training_images_list_file'), accepts: isFile },
  { to: ['data', 'heldOutPath'], from: inSet('validation', 'test_images_list_file'), accepts: isFile },
  { to: ['training', 'steps'], from: ['lightning.trainer.max_steps'], accepts: isCount, unless: ['minutes'] },
  {
    to: ['training', 'epochs'],
    from: ['lightning.trainer.max_epochs'],
    accepts: isCount,
    unless: ['minutes', 'steps'],
  },
];

/** Converts the sections, changing `tree` in place, and returns lines that report what was used and what was not. */
export function takeReferenceSections(tree: ConfigTree): string[] {
  const { lightning, data } = tree;
  const foreign = isTree(data) && typeof data['target'] === 'string';
  if (!foreign && lightning === undefined) return [];
  const given = new Map<string, unknown>();
  if (foreign) collect({ params: data['params'] }, 'data', given);
  collect(lightning, 'lightning', given);
  const taken = meanings.flatMap((meaning) => take(meaning, given, tree));
  delete tree['lightning'];
  if (foreign) {
    delete data['target'];
    delete data['params'];
  }
  const rest = [...given.keys()].filter((path) => !path.endsWith('.target'));
  const shown = rest.slice(0, 6).join(', ');
  return [
    ...(taken.length > 0 ? [`taken from the reference's sections: ${taken.join(', ')}`] : []),
    ...(rest.length > 0
      ? [`ignored: ${shown}${rest.length > 6 ? `, and ${rest.length - 6} more` : ''}`]
      : []),
  ];
}

/** Collects every value of a section by its path; lists count as values. */
function collect(value: unknown, path: string, into: Map<string, unknown>): void {
  if (!isTree(value)) {
    if (value !== undefined && value !== null) into.set(path, value);
    return;
  }
  for (const [key, item] of Object.entries(value)) collect(item, `${path}.${key}`, into);
}

function take(
  { to, from, accepts, unless = [] }: Meaning,
  given: Map<string, unknown>,
  tree: ConfigTree,
): string[] {
  const [section, key] = to;
  const path = from.find((name) => accepts(given.get(name)));
  if (path === undefined) return [];
  const existing = tree[section];
  const target = isTree(existing) ? existing : {};
  const value = given.get(path);
  const settled = [key, ...unless].some((name) => target[name] !== undefined && target[name] !== null);
  if (settled) {
    // If the values differ, the path stays in `given` and is reported.
    if (target[key] === value) given.delete(path);
    return [];
  }
  given.delete(path);
  target[key] = value;
  tree[section] = target;
  return [`${section}.${key}=${String(value)} (${path})`];
}
