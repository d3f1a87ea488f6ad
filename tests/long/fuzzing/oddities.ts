/** Values of no type that any operator takes, or of one that few do. */
import * as torch from '../../../src/torch/index.js';
import type { Random } from './random.js';
import { tensorFor, type Common } from './tensors.js';
import { extremeInteger } from './values.js';

function cyclic(): unknown[] {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

/** Values that no operator takes, or that few arguments take. */
export const oddities: ((random: Random, shared: Common) => unknown)[] = [
  () => null,
  () => undefined,
  () => 'text',
  () => '',
  () => ({}),
  () => ({ keepdim: 'yes', nonsense: 1 }),
  () => ({ dim: [[0]], out: null }),
  () => Object.create(null) as unknown,
  () => () => 1,
  () => Symbol('s'),
  () => Number.NaN,
  () => 2n ** 70n,
  () => -(2n ** 70n),
  () => 1e300,
  () => 0.5,
  () => [],
  () => [[], [[]]],
  () => [1, , 3], // oxlint-disable-line no-sparse-arrays
  () => Array.from({ length: 5 }),
  () => Object.assign([], { length: 4_000_000_000 }),
  () => [1, 'two', null, undefined, {}],
  () => [Number.NaN, 1.5],
  () => Array.from({ length: 30_000 }, (_, i) => i),
  cyclic,
  () => new Float32Array(3),
  () => new BigInt64Array(2),
  () => new Date(0),
  () => new Map(),
  () => Promise.resolve(1),
  () => /x/,
  () => new Proxy({}, {}),
  () => new Proxy([1, 2], {}),
  (random, shared) => new Proxy(tensorFor(random, 'self', shared), {}),
  () => Object.create(torch.Tensor.prototype) as unknown,
  () => torch.Tensor.prototype,
  () => Object.assign(Object.create(torch.Tensor.prototype) as object, { handle: 12345 }),
  () => Object.assign(Object.create(torch.Tensor.prototype) as object, { handle: 'x' }),
  () => Object.create(torch.Generator.prototype) as unknown,
  (random, shared) => {
    const tensor = tensorFor(random, 'self', shared);
    if (!tensor.disposed) tensor.dispose();
    return tensor;
  },
  (random, shared) => [tensorFor(random, 'self', shared), 1],
  (random, shared) => tensorFor(random, 'self', shared),
  (random) => random.chance(0.5),
  (random) => extremeInteger(random),
];
