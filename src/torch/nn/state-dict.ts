import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { isContiguous, sameShape } from '../core/layout.js';
import { whereKeysLie } from './wrapped-keys.js';

/** A state dict's information about a tensor, available without reading it. */
export interface TensorInfo {
  shape: readonly number[];
  dtype: string;
}

/**
 * The source of {@link Module.loadStateDict}: a Map of tensors, or anything that returns tensors by key. With `info`
 * nothing is read before everything is known to match; with `readInto` bytes go straight into the parameters.
 */
export interface StateSource {
  keys(): Iterable<string>;
  has(key: string): boolean;
  get(key: string): Tensor | undefined;
  info?(key: string): TensorInfo | undefined;
  /** Fills `target`, whose shape and dtype are those of the entry. */
  readInto?(key: string, target: Tensor): void;
}

export interface LoadResult {
  /** Keys of the module that the source lacks. */
  missing: string[];
  /** Keys of the source that the module lacks. */
  unexpected: string[];
}

const lenient =
  'build the model with the configuration of the weights, or pass { strict: false } to ignore missing and ' +
  'unexpected keys';
const unrelated = 'the two have no key in common: are these weights of this model?';

/**
 * The keys or shapes of a state dict do not match the module. Nothing was loaded.
 *
 * @example
 * ```ts
 * try {
 *   new nn.Linear(8, 2).loadStateDict(new nn.Linear(4, 2).stateDict());
 * } catch (error) {
 *   if (error instanceof nn.StateDictError) console.error(error.mismatched); // weight, with both shapes
 * }
 * ```
 */
export class StateDictError extends torch.TorchError {
  readonly missing: string[];
  readonly unexpected: string[];
  /** Keys whose shapes differ, each with both shapes. */
  readonly mismatched: string[];

  /** @param way the solution that the message suggests */
  constructor(owner: string, found: LoadResult & { mismatched: string[] }, way: string | null = null) {
    const lines = [
      ...describe('missing', found.missing),
      ...describe('unexpected', found.unexpected),
      ...describe('mismatched', found.mismatched),
    ];
    super(
      `state dict does not match ${owner}, nothing was loaded; ` + `${way ?? lenient}:\n${lines.join('\n')}`,
    );
    this.name = 'StateDictError';
    this.missing = found.missing;
    this.unexpected = found.unexpected;
    this.mismatched = found.mismatched;
  }
}

/**
 * Copies the source's tensors into `entries` (key and destination), casting to each destination's dtype and device.
 * Everything is checked before the first value changes. A source from which nothing would be loaded is an error even if
 * not strict.
 *
 * @param owner name for errors
 * @param mayLack keys that the source may lack even if strict; their entries keep their values, and none is missing
 */
export function loadEntries(
  entries: readonly (readonly [string, Tensor])[],
  source: StateSource,
  strict: boolean,
  owner: string,
  mayLack: ReadonlySet<string> = new Set(),
): LoadResult {
  const known = new Set(entries.map(([key]) => key));
  const missing = entries.map(([key]) => key).filter((key) => !source.has(key) && !mayLack.has(key));
  const unexpected = [...source.keys()].filter((key) => !known.has(key));
  const present = entries.filter(([key]) => source.has(key));
  const mismatched = present.flatMap(([key, target]) => mismatch(key, target, infoOf(source, key)));
  const nothing = present.length === 0 && missing.length > 0 && unexpected.length > 0;
  if (mismatched.length > 0 || nothing || (strict && missing.length + unexpected.length > 0)) {
    const all = strict || nothing;
    const found = { missing: all ? missing : [], unexpected: all ? unexpected : [], mismatched };
    const way = whereKeysLie(missing, unexpected, present.length === 0);
    throw new StateDictError(owner, found, way ?? (nothing ? unrelated : null));
  }
  torch.noGrad(() => {
    for (const [key, target] of present) torch.scope(() => copyInto(source, key, target));
  });
  return { missing, unexpected };
}

function infoOf(source: StateSource, key: string): TensorInfo | undefined {
  return (
    source.info?.(key) ??
    torch.scope(() => {
      const tensor = source.get(key);
      return tensor && { shape: tensor.shape, dtype: tensor.dtype };
    })
  );
}

function mismatch(key: string, target: Tensor, info: TensorInfo | undefined): string[] {
  if (info === undefined) return [`${key}: not a tensor`];
  if (info.dtype.startsWith('complex') && !target.dtype.startsWith('complex')) {
    return [`${key}: ${info.dtype} cannot be cast to ${target.dtype}`];
  }
  if (sameShape(info.shape, target.shape) || isScalarOf(info.shape, target)) return [];
  return [`${key}: shape [${info.shape.join(', ')}], expected [${target.shape.join(', ')}]`];
}

/** True if a shape [1] is loaded into a scalar, as PyTorch does: it wrote scalars so before 0.4, and projects still do. */
const isScalarOf = (shape: readonly number[], target: Tensor): boolean =>
  target.ndim === 0 && sameShape(shape, [1]);

function copyInto(source: StateSource, key: string, target: Tensor): void {
  const direct =
    source.readInto !== undefined &&
    source.info?.(key)?.dtype === target.dtype &&
    sameShape(source.info(key)!.shape, target.shape) &&
    target.device === 'cpu' &&
    isContiguous(target);
  if (direct) {
    source.readInto?.(key, target);
    return;
  }
  const value = source.get(key);
  if (value === undefined)
    throw new torch.TorchError(`state dict has no tensor under ${JSON.stringify(key)}`);
  if (value !== target) target.copy_(isScalarOf(value.shape, target) ? value.squeeze(0) : value);
}

const LISTED = 20;

function describe(what: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  const more = keys.length > LISTED ? `\n    … and ${keys.length - LISTED} more` : '';
  return [`  ${what} (${keys.length}):\n    ${keys.slice(0, LISTED).join('\n    ')}${more}`];
}
