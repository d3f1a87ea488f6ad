/** Parameters, tensors with attributes, and subclasses of Tensor, with their state. */
import { rebuildTensor } from './pickle-tensors.js';
import {
  nameOf,
  PickledDict,
  PickledObject,
  PickledTuple,
  StoredTensor,
  TensorShard,
} from './pickle-values.js';
import type { Constructor, Fail, Pickled } from './pickle-values.js';

const WRAPPER = 'torch._utils._rebuild_wrapper_subclass';
/** Attributes that PyTorch itself sets on parameters and buffers. */
const marks = new Set(['_is_param', '_is_buffer', 'persistent']);

/** `_rebuild_from_type_v2(function, class, arguments, state)`; the first version has the same signature. */
function fromType([fn, type, args, state]: readonly Pickled[], fail: Fail): Pickled {
  const [name, className] = [nameOf(fn), nameOf(type)];
  const items = args instanceof PickledTuple ? args.items : fail('the arguments are not a tuple');
  if (name === WRAPPER) return wrapper(className, items, state ?? null);
  // A subclass of Parameter may be built from a parameter's arguments.
  const tensor = parameters.includes(name) ? parameter(items, fail) : rebuildTensor(fn, args, fail);
  if (tensor instanceof StoredTensor) return withAttributes(tensor, className, state ?? null);
  const plain = className === 'torch.Tensor' || className === 'torch._tensor.Tensor';
  return describe(plain ? name : className, items, state ?? null);
}

const parameters = ['torch._utils._rebuild_parameter', 'torch._utils._rebuild_parameter_with_state'];

/** Returns a parameter as its tensor: whether it is trained is up to the model. */
function parameter([data, , , state]: readonly Pickled[], fail: Fail): Pickled {
  if (data instanceof StoredTensor)
    return withAttributes(data, 'torch.nn.parameter.Parameter', state ?? null);
  return data instanceof PickledObject || data instanceof TensorShard ? data : fail('a part is not a tensor');
}

export const subclassRebuilders: readonly (readonly [string, Constructor])[] = [
  ['torch._tensor._rebuild_from_type_v2', fromType],
  ['torch._tensor._rebuild_from_type', fromType],
  ['torch.tensor._rebuild_from_type', fromType],
  ...parameters.map((name): [string, Constructor] => [name, parameter]),
];

function describe(global: string, args: readonly Pickled[], state: Pickled): PickledObject {
  const object = new PickledObject(global, args);
  object.state = state;
  const attributes = attributesOf(state);
  if (attributes.size > 0) {
    const all = new PickledDict();
    for (const [name, value] of attributes) all.set(name, value);
    object.state = all;
  }
  return object;
}

/** Reads attributes and slots: a dictionary, or a pair of two. */
function attributesOf(state: Pickled): Map<Pickled, Pickled> {
  const parts = state instanceof PickledTuple ? state.items : [state];
  const known = parts.every((part) => part === null || part instanceof PickledDict);
  if (!known) return new Map();
  return new Map(parts.flatMap((part) => (part instanceof PickledDict ? [...(part.entries ?? [])] : [])));
}

function withAttributes(tensor: StoredTensor, global: string, state: Pickled): StoredTensor {
  const names = [...attributesOf(state).keys()];
  if (names.every((name) => typeof name === 'string' && marks.has(name))) return tensor;
  // The original may also be referenced elsewhere, without the attributes.
  const result = new StoredTensor(tensor.dtype, tensor.shape, tensor.parts);
  result.attributes = { global, state };
  return result;
}

/**
 * Reads a tensor that wraps other tensors. For PyTorch's distributed tensors the local part becomes the tensor if it is
 * the whole; every other class stays a description, and the tensors inside are found below its name.
 */
function wrapper(global: string, args: readonly Pickled[], state: Pickled): Pickled {
  const shape = args[2] instanceof PickledTuple ? (args[2].items as number[]) : [];
  const attributes = attributesOf(state);
  const local = attributes.get('_local_tensor');
  if (global.endsWith('.DTensor') && isPart(local)) {
    return wholeOrShard(global, shape, [local], placementsOf(attributes.get('_spec')));
  }
  const shards = state instanceof PickledTuple ? state.items[0] : undefined;
  if (global.endsWith('.ShardedTensor') && Array.isArray(shards)) {
    const parts = shards.map((shard) =>
      shard instanceof PickledObject ? attributesOf(shard.state ?? null).get('tensor') : undefined,
    );
    if (parts.every(isPart)) return wholeOrShard(global, shape, parts, []);
  }
  return describe(global, args, state);
}

function isPart(value: Pickled | undefined): value is StoredTensor | PickledObject {
  return value instanceof StoredTensor || value instanceof PickledObject;
}

function wholeOrShard(
  global: string,
  shape: readonly number[],
  parts: readonly (StoredTensor | PickledObject)[],
  placements: readonly string[],
): Pickled {
  const [first] = parts;
  // A pending sum (Partial) has the whole's shape but only a share of its value.
  const partial = placements.some((placement) => placement.startsWith('Partial'));
  if (first instanceof PickledObject && !partial) return describe(global, [first], null);
  const sizes = parts.map((part) => (part instanceof StoredTensor ? `[${part.shape.join(', ')}]` : ''));
  if (
    first instanceof StoredTensor &&
    parts.length === 1 &&
    !partial &&
    sizes[0] === `[${shape.join(', ')}]`
  ) {
    return first;
  }
  const spread = placements.length > 0 ? `, spread by ${placements.join(', ')}` : '';
  const here = parts.length === 0 ? 'no part' : `the part ${sizes.join(' and ')} of one process`;
  return new TensorShard(global, shape, `${here}${spread}`);
}

/** Returns how a DTensor is distributed over the mesh, as PyTorch prints it: `Shard(0)`, `Replicate`, `Partial`. */
function placementsOf(spec: Pickled | undefined): string[] {
  const placements =
    spec instanceof PickledObject ? attributesOf(spec.state ?? null).get('placements') : null;
  const items = placements instanceof PickledTuple ? placements.items : [];
  return items.map((placement) => {
    if (!(placement instanceof PickledObject)) return 'unknown';
    const name = placement.global.slice(placement.global.lastIndexOf('.') + 1).replace(/^_/, '');
    const dim = attributesOf(placement.state ?? null).get('dim');
    return typeof dim === 'number' ? `${name}(${dim})` : name;
  });
}
