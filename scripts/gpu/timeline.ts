/** Times of a step's parts, by the device's own clock: marks at the borders of modules, forwards and backwards. */
import { torch } from 'tessera-torch';
import type { Tensor, nn } from 'tessera-torch';
import { synchronize } from './arm.js';
import type { Profile } from './rounds.js';

interface Mark {
  /** Part of the step between this mark and the next one. */
  what: string;
  at: torch.cuda.Event | number;
}

const BETWEEN = 'between them';

/**
 * Runs a step until it is warm and once more, with its modules and optimizers watched. Each of its modules gives one
 * tensor and is no part of another; those of one name count together.
 * A backward lasts from the gradient of a module's output to the next mark, so what follows a module counts with it.
 */
export function timelineOf(
  device: torch.Device,
  modules: readonly (readonly [string, nn.Module])[],
  optimizers: readonly { step(): void }[],
  step: () => void,
): Profile {
  const marks: Mark[] = [];
  const mark = (what: string) => void marks.push({ what, at: now(device) });
  const undo = [
    ...modules.map(([name, module]) => watchModule(name, module, mark)),
    ...optimizers.map((optimizer) => watchOptimizer(optimizer, mark)),
  ];
  try {
    // Hooks keep the backward on this thread, for which cuDNN looks for its algorithms again.
    for (let i = 0; i < 3; i++) step();
    marks.length = 0;
    synchronize(device);
    mark(BETWEEN);
    step();
    mark('end');
    synchronize(device);
  } finally {
    for (const take of undo) take();
  }
  return sharesOf(marks);
}

function now(device: torch.Device): Mark['at'] {
  if (device === 'cpu') return performance.now();
  const event = new torch.cuda.Event({ enableTiming: true });
  event.record();
  return event;
}

function watchModule(name: string, module: nn.Module, mark: (what: string) => void): () => void {
  const before = module.registerForwardPreHook(() => mark(`${name}, forward`));
  const after = module.registerForwardHook((_, __, output) => {
    mark(BETWEEN);
    const result = output as Tensor;
    if (result.requiresGrad) result.registerHook(() => mark(`${name}, backward`));
  });
  return () => {
    before.remove();
    after.remove();
  };
}

function watchOptimizer(optimizer: { step(): void }, mark: (what: string) => void): () => void {
  const own = optimizer.step;
  optimizer.step = () => {
    mark('optimizers');
    own.call(optimizer);
    mark(BETWEEN);
  };
  return () => {
    optimizer.step = own;
  };
}

function sharesOf(marks: readonly Mark[]): Profile {
  const totals = new Map<string, { count: number; time: number }>();
  for (const [i, { what, at }] of marks.slice(0, -1).entries()) {
    const next = marks[i + 1]!.at;
    const total = totals.get(what) ?? { count: 0, time: 0 };
    total.count++;
    total.time += typeof at === 'number' ? (next as number) - at : at.elapsedTime(next as torch.cuda.Event);
    totals.set(what, total);
  }
  const whole = [...totals.values()].reduce((sum, { time }) => sum + time, 0);
  return [...totals]
    .sort(([, a], [, b]) => b.time - a.time)
    .map(([what, { count, time }]) => [what, count, time / whole]);
}
