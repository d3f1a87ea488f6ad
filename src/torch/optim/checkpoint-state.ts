import type { Tensor } from '../index.js';
import { ArgumentError } from '../core/errors.js';
import type { OptimizerState, ParameterState, SavedGroup } from './optimizer.js';

/** An open checkpoint, as `loadCheckpoint` gives it, in so far as an optimizer's state needs it. */
export interface Source {
  readonly all: { keys(): Iterable<string>; get(key: string): Tensor | undefined };
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * An optimizer's state dict out of a file that torch.save wrote: `optimizer.loadStateDict(optimizerStateFrom(checkpoint,
 * 'optimizer'))`. Its tensors belong to the current scope.
 *
 * @param path keys that lead to the state dict, with dots between (`optimizer_states.0`); empty where the file holds
 *   nothing else
 * @throws ArgumentError where there is none
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
    throw new ArgumentError(`the checkpoint has no optimizer's state at ${JSON.stringify(path)}`);
  const state: Record<number, Record<string, unknown>> = {};
  const entryOf = (id: string): Record<string, unknown> => (state[Number(id)] ??= {});
  // What is no tensor there, such as the step counts of old versions.
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

/** A state dict with numbers for keys, as PyTorch wants it: `savePytorch(path, { optimizer: pytorchState(saved) })`. */
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
