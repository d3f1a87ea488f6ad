/**
 * The fixed list of constructors that pickles may call. Every entry builds a plain value from its arguments and does
 * nothing else; any other name becomes an inert stand-in.
 */
import { numpyFromBuffer, numpyScalar, numpyType } from './pickle-numpy.js';
import { subclassRebuilders } from './pickle-subclasses.js';
import { rebuilders } from './pickle-tensors.js';
import {
  nameOf,
  NumpyArray,
  PickledComplex,
  PickledDict,
  PickledGlobal,
  PickledObject,
  PickledSet,
  PickledTuple,
} from './pickle-values.js';
import type { Constructor, Fail, Pickled } from './pickle-values.js';

/** Classes whose objects consist only of attributes, or are dictionaries that are read like attributes. */
const attributeClasses = [
  'argparse.Namespace',
  'types.SimpleNamespace',
  'easydict.EasyDict',
  'pytorch_lightning.utilities.parsing.AttributeDict',
  'lightning.pytorch.utilities.parsing.AttributeDict',
  'lightning_fabric.utilities.data.AttributeDict',
  'lightning.fabric.utilities.data.AttributeDict',
];

const numpyModules = ['numpy.core', 'numpy._core'];
const pathClasses = ['PosixPath', 'PurePosixPath', 'Path', 'PurePath', 'WindowsPath', 'PureWindowsPath'];

const constructors: ReadonlyMap<string, Constructor> = new Map<string, Constructor>([
  ['collections.OrderedDict', ([pairs], fail) => dictOf(pairs, fail)],
  ['collections.Counter', ([pairs], fail) => dictOf(pairs, fail)],
  ['collections.defaultdict', ([, pairs], fail) => dictOf(pairs, fail)],
  ...both('dict', ([pairs], fail) => dictOf(pairs, fail)),
  ...both('list', ([items], fail) => [...itemsOf(items, fail)]),
  ...both('tuple', ([items], fail) => new PickledTuple([...itemsOf(items, fail)])),
  ...both('set', ([items], fail) => new PickledSet([...itemsOf(items, fail)])),
  ...both('frozenset', ([items], fail) => new PickledSet([...itemsOf(items, fail)], true)),
  ...both('complex', ([re, im], fail) => new PickledComplex(numberOf(re, fail), numberOf(im, fail))),
  ...both('bytearray', ([data, encoding], fail) => bytesOf(data, encoding, fail)),
  ...both('bytes', ([data, encoding], fail) => bytesOf(data, encoding, fail)),
  ['_codecs.encode', ([data, encoding], fail) => bytesOf(data, encoding, fail)],
  ...attributeClasses.map((name): [string, Constructor] => [
    name,
    ([pairs], fail) => dictOf(pairs, fail, true),
  ]),
  ...pathClasses.flatMap((name) => inModules(['pathlib', 'pathlib._local'], name, pathOf)),
  ...inModules(['copy_reg', 'copyreg'], '_reconstructor', reconstruct),
  ['torch.Size', ([items], fail) => new PickledTuple([...itemsOf(items, fail)])],
  ['torch.device', ([kind, index], fail) => deviceOf(kind, index, fail)],
  [
    'torch.serialization._get_layout',
    ([name], fail) => (typeof name === 'string' ? name : fail('the layout is not a string')),
  ],
  ['numpy.dtype', numpyType],
  ...inModules(numpyModules, 'multiarray.scalar', numpyScalar),
  ...inModules(numpyModules, 'multiarray._reconstruct', () => new NumpyArray()),
  ...inModules(numpyModules, 'numeric._frombuffer', numpyFromBuffer),
  ...rebuilders,
  ...subclassRebuilders,
]);

/** Returns the constructor for a global; null if it is not on the list. */
export function construct(name: string, args: readonly Pickled[], fail: Fail): Pickled {
  const constructor = constructors.get(name);
  if (constructor === undefined) return null;
  return constructor(args, (message) => fail(`${name}: ${message}`));
}

/** Returns both names of a built-in: Python 2 called the module differently, and pickles of protocol 2 still do. */
function both(name: string, constructor: Constructor): [string, Constructor][] {
  return inModules(['builtins', '__builtin__'], name, constructor);
}

function inModules(modules: readonly string[], name: string, make: Constructor): [string, Constructor][] {
  return modules.map((module) => [`${module}.${name}`, make]);
}

function itemsOf(value: Pickled | undefined, fail: Fail): readonly Pickled[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  if (value instanceof PickledTuple || value instanceof PickledSet) return value.items;
  return fail('the argument is not a list');
}

function dictOf(value: Pickled | undefined, fail: Fail, attributes = false): PickledDict {
  const dict = new PickledDict(attributes);
  if (value === undefined || value === null) return dict;
  if (value instanceof PickledDict) {
    for (const [key, item] of value.entries ?? []) dict.set(key, item);
    return dict;
  }
  for (const pair of itemsOf(value, fail)) {
    const [key, item] = itemsOf(pair, fail);
    if (key === undefined || item === undefined) return fail('an item is not a pair of key and value');
    dict.set(key, item);
  }
  return dict;
}

function numberOf(value: Pickled | undefined, fail: Fail): number {
  if (value === undefined) return 0;
  return typeof value === 'number' ? value : fail('the argument is not a number');
}

function bytesOf(data: Pickled | undefined, encoding: Pickled | undefined, fail: Fail): Uint8Array {
  if (data === undefined) return new Uint8Array(0);
  if (data instanceof Uint8Array) return data;
  if (typeof data !== 'string') return fail('the argument is not a string');
  const latin = encoding === 'latin1' || encoding === 'latin-1';
  return Uint8Array.from(Buffer.from(data, latin ? 'latin1' : 'utf8'));
}

function pathOf(parts: readonly Pickled[], fail: Fail): string {
  if (!parts.every((part) => typeof part === 'string')) return fail('a part of the path is not a string');
  return parts.join('/').replace(/^\/\//, '/');
}

function deviceOf(kind: Pickled | undefined, index: Pickled | undefined, fail: Fail): string {
  if (typeof kind !== 'string') return fail('the kind of device is not a string');
  return typeof index === 'number' ? `${kind}:${index}` : kind;
}

/** Builds an object of a class without a custom reduction: class, built-in base, and the base's value. */
function reconstruct([owner, base, state]: readonly Pickled[], fail: Fail): Pickled {
  if (!(owner instanceof PickledGlobal)) return fail('the first argument is not a class');
  if (attributeClasses.includes(owner.name)) return dictOf(state, fail, true);
  const plain = /^(builtins|__builtin__)\.object$/.test(nameOf(base)) || state === undefined;
  return new PickledObject(owner.name, plain ? [] : [state]);
}
