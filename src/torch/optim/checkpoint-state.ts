import type { Tensor } from '../index.js';
import { ArgumentError } from '../core/errors.js';
import type { OptimizerState, ParameterState, SavedGroup } from './optimizer.js';

/** The part of an open checkpoint, as returned by `loadCheckpoint`, that an optimizer's state needs. */
export interface Source {
  readonly all: { keys(): Iterable<string>; get(key: string): Tensor | undefined };
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Reads an optimizer's state dict from a file of torch.save. Its tensors belong to the current scope.
 *
 * @param path keys that lead to the state dict, separated by dots (`optimizer_states.0`); empty if the file contains
 * nothing else
 * @throws ArgumentError if there is none
 *
 * @example
 * ```ts
 * const optimizer = new optim.Adam(new nn.Linear(8, 2).parameters());
 * using checkpoint = await loadCheckpoint('checkpoint.pt');
 * optimizer.loadStateDict(optim.optimizerStateFrom(checkpoint, 'optimizer'));
 * ```
 */
export function optimizerStateFrom(checkpoint: Source, path = ''): OptimizerState {
  const parts = path === '' ? [] : path.split('.');
  let node: unknown = checkpoint.metadata;
  for (const part of parts) node = (node as Record<string, unknown> | null | undefined)?.[part];
  const { param_groups: groups, state: plain } = (node ?? {}) as {
    param_groups?: SavedGroup[];
    state?: Record<string, Record<string, unknown>>;
  };
  if (!Array.isArray(groups))
    throw new ArgumentError(`the checkpoint has no optimizer state at ${JSON.stringify(path)}`);
  const state: Record<number, Record<string, unknown>> = {};
  const entryOf = (id: string): Record<string, unknown> => (state[Number(id)] ??= {});
  // Values that are not tensors, such as the step counts of old versions.
  for (const [id, values] of Object.entries(plain ?? {})) Object.assign(entryOf(id), values);
  const prefix = [...parts, 'state', ''].join('.');
  for (const key of checkpoint.all.keys()) {
    if (!key.startsWith(prefix)) continue;
    const [id, name, ...rest] = key.slice(prefix.length).split('.');
    if (id !== undefined && name !== undefined && rest.length === 0)
      entryOf(id)[name] = checkpoint.all.get(key);
  }
  return { state: state as Record<number, ParameterState>, param_groups: groups };
}

/**
 * Returns a state dict with numeric keys, as PyTorch expects it.
 *
 * @example
 * ```ts
 * const optimizer = new optim.Adam(new nn.Linear(8, 2).parameters());
 * await savePytorch('optimizer.pt', { optimizer: optim.pytorchState(optimizer.stateDict()) });
 * ```
 */
export function pytorchState(saved: OptimizerState): {
  state: Map<number, ParameterState>;
  param_groups: SavedGroup[];
} {
  const entries = Object.entries(saved.state).map(([id, entry]): [number, ParameterState] => [
    Number(id),
    entry,
  ]);
  return { state: new Map(entries), param_groups: saved.param_groups };
}
