import { readFileSync } from 'node:fs';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';

export type Nested = number | Nested[];

export interface Snapshot {
  parameters: Nested[];
  state: Record<string, Record<string, Nested>>;
  param_groups: ({ params: number[] } & Record<string, unknown>)[];
}

export interface Case extends Snapshot {
  options: Record<string, unknown>;
  half: Snapshot;
}

export const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/optimizers.json', import.meta.url), 'utf8'),
) as { half: number; start: Nested[]; grads: [Nested, Nested][]; cases: Record<string, Case> };

export type AnyOptimizer = optim.Optimizer<object>;
export type Make = new (groups: { params: Tensor[]; lr?: number }[], options: object) => AnyOptimizer;

export const classes = optim as unknown as Record<string, Make>;
export const float64 = (data: Nested): Tensor => torch.tensor(data, { dtype: 'float64' });
export const camelCase = (name: string): string =>
  name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
export const start = (): Tensor[] => fixture.start.map((values) => new nn.Parameter(float64(values)));

export function make(name: string, parameters: Tensor[], extra: object = {}): AnyOptimizer {
  const { options } = fixture.cases[name] as Case;
  const given = Object.fromEntries(Object.entries(options).map(([key, value]) => [camelCase(key), value]));
  const groups = [{ params: parameters.slice(0, 1) }, { params: parameters.slice(1), lr: 0.02 }];
  return new (classes[name.split(' ')[0] as string] as Make)(groups, { ...given, ...extra });
}

export function run(optimizer: AnyOptimizer, parameters: Tensor[], from: number, to: number): void {
  for (let step = from; step < to; step++) {
    const [first, second] = fixture.grads[step] as [Nested, Nested];
    torch.scope(() => {
      (parameters[0] as Tensor).grad = float64(first);
      (parameters[1] as Tensor).grad = step === 2 ? null : float64(second);
      optimizer.step();
    });
  }
}
