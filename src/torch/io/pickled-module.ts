/** Whole modules, as `torch.save(model)` writes them: attributes, some of which belong to the state dict. */
import { PickledDict, PickledSet } from './pickle-values.js';
import type { Pickled } from './pickle-values.js';

type Entry = readonly [name: string, value: Pickled];

/** The attributes of a module, separated by whether its state dict holds them. */
export interface ModuleParts {
  /** Parameters, persistent buffers and submodules, in the order of a state dict. */
  readonly kept: readonly Entry[];
  /** The other buffers and attributes. */
  readonly left: readonly Entry[];
}

/** Returns the parts of a module's state; null for the state of anything else. */
export function modulePartsOf(state: Pickled | undefined): ModuleParts | null {
  if (!(state instanceof PickledDict)) return null;
  const parts = ['_parameters', '_buffers', '_modules'].map((name) => state.entries?.get(name));
  if (!parts.every((part) => part instanceof PickledDict)) return null;
  const [parameters, buffers, modules] = parts.map(entriesOf) as [Entry[], Entry[], Entry[]];
  const passing = state.entries?.get('_non_persistent_buffers_set');
  const names = new Set(passing instanceof PickledSet ? passing.items : []);
  const others = entriesOf(state).filter(([, value]) => !parts.includes(value as PickledDict));
  return {
    kept: [...parameters, ...buffers.filter(([name]) => !names.has(name)), ...modules],
    left: [...buffers.filter(([name]) => names.has(name)), ...others],
  };
}

function entriesOf({ entries }: PickledDict): Entry[] {
  return [...(entries ?? [])].flatMap(([name, value]): Entry[] =>
    typeof name === 'string' ? [[name, value]] : [],
  );
}
