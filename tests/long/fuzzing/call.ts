/** One call of the fuzz: made from its number alone, so that it can be made again. */
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { camelCase } from '../../../src/torch/core/schema.js';
import { Random } from './random.js';
import type { Target } from './targets.js';
import { common, formed, type Common } from './tensors.js';
import { oddities } from './oddities.js';
import { extremeInteger, valueFor } from './values.js';

export interface Call {
  target: Target;
  args: unknown[];
  run(): unknown;
}

/** Ranks that operators of a kind take, so that their calls come past the first check. */
const RANKS: readonly [RegExp, readonly number[]][] = [
  [/1d/, [2, 3, 3]],
  [/2d|grid_sampler|pixel|im2col|col2im|affine_grid/, [3, 4, 4]],
  [/3d/, [4, 5, 5]],
  [/conv|batch_norm|instance_norm|group_norm|channel/, [3, 4, 5]],
  [/linalg|matmul|mm|cholesky|qr|svd|inverse|lu_|triangular|tri[lu]|geqrf|or[gm]qr/, [2, 2, 3]],
  [/lstm|gru|rnn/, [2, 3, 3]],
  [/attention/, [3, 4]],
];

function rankFor(name: string, random: Random): number | null {
  const known = RANKS.find(([pattern]) => pattern.test(name));
  return known && random.chance(0.8) ? random.pick(known[1]) : null;
}

/** Arguments by position, or from some position on in an options object. */
function assemble({ schema }: Target, values: unknown[], random: Random): unknown[] {
  const positional = schema.arguments.filter((argument) => !argument.keywordOnly).length;
  const count = random.chance(0.7) ? positional : random.int(Math.min(1, positional), positional);
  const options: Record<string, unknown> = {};
  schema.arguments.slice(count).forEach((argument, i) => {
    const needed = argument.default === null && !argument.optional;
    if (needed || random.chance(0.5)) options[camelCase(argument.name)] = values[count + i];
  });
  const args = values.slice(0, count);
  return Object.keys(options).length > 0 ? [...args, options] : args;
}

/** Calls of one kind follow each other: first the tidiest, then what it becomes when a value or two are replaced. */
const SERIES = 4;

export function makeCall(
  targets: readonly Target[],
  seed: number,
  number: number,
  onTarget?: (target: Target) => void,
): Call {
  const position = number % SERIES;
  const base = new Random(seed, Math.floor(number / SERIES));
  const target = base.pick(targets);
  onTarget?.(target);
  torch.manualSeed(Math.floor(base.next() * 2 ** 32));
  const shared = common(base, rankFor(target.name, base), base.chance(0.65));
  const values = target.schema.arguments.map((argument) => valueFor(base, argument, shared));
  const random = position === 0 ? base : new Random(seed ^ 0x5bd1e995, number);
  if (position > 0) replace(values, target, { ...shared, tidy: false }, random);
  const args = assemble(target, values, random);
  if (position > 0 && random.chance(0.01)) args.push(random.pick(oddities)(random, shared));
  if (position > 0 && random.chance(0.01)) args.pop();
  return { target, args, run: () => useResult(target.call(args, random), random) };
}

/** Puts something else in the place of one value or two. */
function replace(values: unknown[], { schema }: Target, shared: Common, random: Random): void {
  for (let times = random.chance(0.3) ? 2 : 1; times > 0 && values.length > 0; times--) {
    const i = random.int(0, values.length - 1);
    const tensors = values.filter((value) => value instanceof torch.Tensor);
    const value = values[i];
    const roll = random.next();
    if (roll < 0.12) values[i] = random.pick(oddities)(random, shared);
    else if (roll < 0.22 && tensors.length > 1 && value instanceof torch.Tensor)
      values[i] = random.pick(tensors);
    else if (roll < 0.4 && value instanceof torch.Tensor) values[i] = formed(random, value);
    else if (Array.isArray(value) && value.length > 0 && value.length < 1000 && random.chance(0.5))
      values[i] = changed(value, random);
    else values[i] = valueFor(random, schema.arguments[i]!, shared);
  }
}

/** The list with an element more, less or other. */
function changed(list: readonly unknown[], random: Random): unknown[] {
  const result = [...list];
  const i = random.int(0, result.length - 1);
  const roll = random.next();
  if (roll < 0.2) result.push(random.pick(result));
  else if (roll < 0.4) result.splice(i, 1);
  else if (typeof result[i] === 'number')
    result[i] = random.chance(0.4) ? extremeInteger(random) : random.int(-3, 9);
  else if (result[i] instanceof torch.Tensor) result[i] = formed(random, result[i]);
  return result;
}

const FEW = 1024;

/** Uses the result as users do: reads it, computes with it, backpropagates from it. */
function useResult(result: unknown, random: Random): unknown {
  for (const tensor of tensorsOf(result)) {
    if (tensor.disposed) continue;
    if (tensor.numel() > FEW) continue;
    if (random.chance(0.15)) look(tensor, random);
    if (tensor.requiresGrad && random.chance(0.5)) goBack(tensor, random);
  }
  return result;
}

/** Tensors in a result, which may be whatever was passed in the place of a tensor. */
function tensorsOf(result: unknown): Tensor[] {
  if (result instanceof torch.Tensor) return [result];
  return Array.isArray(result) ? result.slice(0, 4).filter((one) => one instanceof torch.Tensor) : [];
}

function look(tensor: Tensor, random: Random): void {
  const ways: (() => unknown)[] = [
    () => tensor.toString(),
    () => tensor.tolist(),
    () => tensor.toTypedArray(),
    () => tensor.clone(),
    () => tensor.sum(),
    () => tensor.add(1),
    () => tensor.toDense(),
    () => tensor.to('float64'),
    () => tensor.contiguous(),
  ];
  random.pick(ways)();
}

function goBack(tensor: Tensor, random: Random): void {
  if (random.chance(0.3)) tensor.backward(torch.ones(tensor.shape, { dtype: tensor.dtype }));
  else tensor.sum().backward();
}
