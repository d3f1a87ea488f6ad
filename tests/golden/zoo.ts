/** Checks of quantizers against values recorded from their published implementations: see fixtures/golden/README.md. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { Quantized } from '../../src/models/encoded.js';
import type { Quantizer } from '../../src/models/quantizers/quantizer.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { assertChecks } from './assert.js';
import { below, compare, compareExact, goldenTensors, need, type Check, type Weights } from './data.js';

/** Bound of float64 tensors and scalars. */
export const BOUND = 1e-9;

/** A recorded case: the class, its options, and what is particular to it. */
export interface ZooCase {
  class: string;
  options: Record<string, unknown>;
  /** Number of forwards in training mode, each from its own latents. */
  steps?: number;
  [fact: string]: unknown;
}

/** Values of a case, of which those that were looked at are counted. */
export class Recorded {
  readonly #looked = new Set<string>();
  readonly tensors: Weights;

  constructor(tensors: Weights) {
    this.tensors = tensors;
  }

  has(key: string): boolean {
    return this.tensors.has(key);
  }

  need(key: string): Tensor {
    this.#looked.add(key);
    return need(this.tensors, key);
  }

  /** The tensors below a prefix, which is removed. */
  below(prefix: string): Weights {
    const found = below(this.tensors, prefix);
    for (const key of found.keys()) this.#looked.add(prefix + key);
    return found;
  }

  /** Compares with a recorded tensor, whose shape must be the same. */
  is(key: string, actual: Tensor): Check[] {
    const expected = this.need(key);
    const alike = String(actual.shape) === String(expected.shape);
    if (!alike)
      return [
        {
          name: `${key}: [${actual.shape.join()}] for [${expected.shape.join()}]`,
          error: Infinity,
          bound: 0,
        },
      ];
    if (expected.dtype === 'int64') return [compareExact(key, actual, expected)];
    return [compare(key, actual, expected, BOUND)];
  }

  /** Compares if the case has recorded it. */
  maybe(key: string, actual: () => Tensor | undefined): Check[] {
    if (!this.has(key)) return [];
    const found = actual();
    return found ? this.is(key, found) : [{ name: `${key} is missing`, error: Infinity, bound: 0 }];
  }

  /** What nobody has compared or used. */
  get left(): string[] {
    return [...this.tensors.keys()].filter((key) => !this.#looked.has(key));
  }
}

/** Reads a file of cases, all tensors in it kept. */
export async function zooCases(
  file: string,
): Promise<{ name: string; given: ZooCase; data: () => Recorded }[]> {
  const path = fileURLToPath(new URL(`../fixtures/golden/zoo/${file}.json`, import.meta.url));
  const cases = JSON.parse(readFileSync(path, 'utf8')) as Record<string, ZooCase>;
  const all = await goldenTensors(`zoo/${file}`);
  return Object.entries(cases).map(([name, given]) => ({
    name,
    given,
    data: () => new Recorded(below(all, `${name}.`)),
  }));
}

/** Draws as they were recorded, in their order; anything beyond them fails. */
export function recordedDraws(
  data: Recorded,
  prefix: () => string,
): Record<'randperm' | 'randint' | 'randnLike', () => Tensor> {
  const counts = new Map<string, number>();
  const next = (name: string) => (): Tensor => {
    const at = counts.get(prefix()) ?? 0;
    counts.set(prefix(), at + 1);
    return data.need(`${prefix()}draw${at}.${name}`).clone();
  };
  return { randperm: next('randperm'), randint: next('randint'), randnLike: next('randn_like') };
}

type Make<Q> = (options: Record<string, unknown>) => Q;

/** Where the checks of a case stand. */
export interface Progress<Q> {
  quantizer: Q;
  data: Recorded;
  /** Prefix of the keys of this forward: empty, `step2.`, `eval.`. */
  prefix: string;
  out: Quantized;
}

/**
 * Checks a case: forwards in training with loss terms and gradients, the state after each, the evaluation, and codes.
 *
 * @param more checks of what only this class has, after each forward
 */
export function checkZooCase<Q extends Quantizer>(
  t: ExecutionContext,
  { given, data }: { given: ZooCase; data: () => Recorded },
  make: Make<Q>,
  more: (progress: Progress<Q>) => Check[] = () => [],
): void {
  const recorded = data();
  let prefix = '';
  const draws = recordedDraws(recorded, () => prefix);
  const drawn = [...recorded.tensors.keys()].some((key) => /\bdraw\d/.test(key));
  const quantizer = make({ ...given.options, ...(drawn && { draws }) }).double();
  const checks = torch.scope(() => {
    const stateful = given.steps && recorded.has('step0.z') && !hasBelow(recorded, 'state.');
    const start = recorded.below(stateful ? 'state0.' : 'state.');
    quantizer.loadStateDict(start);
    const done: Check[] = [];
    const prefixes = given.steps ? Array.from({ length: given.steps }, (_, i) => `step${i}.`) : [''];
    for (const [i, one] of prefixes.entries()) {
      prefix = one;
      done.push(...trained(quantizer, recorded, prefix, more));
      for (const [key, expected] of recorded.below(`state${i + 1}.`)) {
        const own = quantizer.stateDict().get(key);
        done.push(
          own ? compare(`state${i + 1}.${key}`, own, expected, BOUND) : lacking(`state${i + 1}.${key}`),
        );
      }
    }
    // The evaluation of cases whose state changes was recorded before that.
    if (stateful) quantizer.loadStateDict(start);
    return [...done, ...evaluated(quantizer, recorded, (to) => (prefix = to), more)];
  });
  assertChecks(t, checks);
  t.deepEqual(recorded.left, [], 'every recorded value is compared');
}

const hasBelow = ({ tensors }: Recorded, prefix: string): boolean =>
  [...tensors.keys()].some((key) => key.startsWith(prefix));

const lacking = (name: string): Check => ({ name: `${name} is missing`, error: Infinity, bound: 0 });

/** Checks a forward in training and its gradients. */
function trained<Q extends Quantizer>(
  quantizer: Q,
  data: Recorded,
  prefix: string,
  more: (progress: Progress<Q>) => Check[],
): Check[] {
  quantizer.train();
  const z = data.need(`${prefix}z`).clone().requiresGrad_();
  const out = quantizer.forward(z);
  const objective = out.loss.add(out.quantized.square().mean());
  objective.backward();
  const is = (key: string, actual: () => Tensor | undefined) => data.maybe(prefix + key, actual);
  const told = out.losses instanceof torch.Tensor ? {} : (out.losses ?? {});
  const checks = [
    ...data.is(`${prefix}quantized`, out.quantized),
    ...is('indices', () => out.indices),
    ...is('loss', () => out.loss),
    ...is('objective', () => objective),
    ...[...data.tensors.keys()]
      .filter((key) => key.startsWith(`${prefix}loss.`))
      .flatMap((key) => data.maybe(key, () => told[key.slice(`${prefix}loss.`.length)])),
    ...data.is(`${prefix}grad.z`, z.grad!),
    ...more({ quantizer, data, prefix, out }),
  ];
  for (const [name, parameter] of quantizer.namedParameters()) {
    const key = `grad.${name}`;
    if (data.has(prefix + key)) checks.push(...is(key, () => parameter.grad ?? undefined));
    else if (parameter.grad) checks.push({ name: `${key} must be null`, error: Infinity, bound: 0 });
    parameter.grad = null;
  }
  if (Object.keys(told).length === 0 && hasBelow(data, `${prefix}loss.`)) checks.push(lacking('losses'));
  return checks;
}

/** Checks the evaluation, and the codes of its indices, or else of those in training. */
function evaluated<Q extends Quantizer>(
  quantizer: Q,
  data: Recorded,
  enter: (prefix: string) => void,
  more: (progress: Progress<Q>) => Check[],
): Check[] {
  quantizer.eval();
  enter('eval.');
  const last = [...data.tensors.keys()].filter((key) => /^(step\d+\.)?z$/.test(key)).at(-1)!;
  const z = data.need(data.has('eval.z') ? 'eval.z' : last);
  const out = torch.noGrad(() => quantizer.forward(z));
  const at = data.has('eval.indices') ? out.indices : torch.noGrad(() => out.indices);
  return [
    ...data.maybe('eval.quantized', () => out.quantized),
    ...data.maybe('eval.indices', () => out.indices),
    // Of quantizers in turn the losses of each were recorded.
    ...data.maybe('eval.loss', () => (out.losses instanceof torch.Tensor ? out.losses : out.loss)),
    ...data.maybe('codes', () => torch.noGrad(() => quantizer.codes(at))),
    ...(hasBelow(data, 'eval.') ? more({ quantizer, data, prefix: 'eval.', out }) : []),
  ];
}
