import test from 'ava';
import { learningRateAt, type LearningRateShape } from '../../../src/training/engine/schedule.js';

test('the learning rate rises, stays, and falls to a twentieth', (t) => {
  t.true(learningRateAt(0, 1) < 0.1);
  t.is(learningRateAt(0.02, 1), 1);
  t.is(learningRateAt(0.39, 1), 1);
  t.true(Math.abs(learningRateAt(0.7, 2) - 1) < 1e-9);
  t.is(learningRateAt(1, 1), 0.05);
  let last = Infinity;
  for (let p = 0.02; p <= 1; p += 0.01) {
    t.true(learningRateAt(p, 1) <= last);
    last = learningRateAt(p, 1);
  }
  t.is(learningRateAt(0.5, 1, { warmup: 0, decayFrom: 1, final: 0.1 }), 1);
  t.is(learningRateAt(0, 1, { warmup: 0.1, final: 0.1 }), 0.1);
});

const at = (step: number, shape: LearningRateShape, steps = 100) =>
  learningRateAt(step / steps, 2, shape, { step, steps });

const shapes: [what: string, shape: LearningRateShape, rates: [step: number, rate: number][]][] = [
  [
    'a cosine over the whole run',
    { schedule: 'cosine', warmup: 0, final: 0 },
    [
      [0, 2],
      [25, 1 + Math.SQRT1_2],
      [50, 1],
      [75, 1 - Math.SQRT1_2],
      [100, 0],
    ],
  ],
  [
    'a cosine after a warm-up in steps, to a tenth',
    { schedule: 'cosine', warmup: 20, final: 0.1 },
    [
      [1, 0.2],
      [10, 1],
      [20, 2],
      [60, 1.1],
      [100, 0.2],
    ],
  ],
  [
    'a cosine from a step on',
    { schedule: 'cosine', warmup: 0.1, decayFrom: 50, final: 0 },
    [
      [5, 1],
      [10, 2],
      [50, 2],
      [75, 1],
    ],
  ],
  [
    'a constant after a warm-up',
    { schedule: 'constant', warmup: 0.5 },
    [
      [25, 1],
      [50, 2],
      [100, 2],
    ],
  ],
  [
    'a line from a step on',
    { warmup: 2, decayFrom: 50, final: 0.1 },
    [
      [1, 1],
      [50, 2],
      [75, 1],
      [99, 0.2],
    ],
  ],
  [
    'the reference’s',
    { schedule: 'reference', warmup: 0.5 },
    [
      [0, 2],
      [100, 2],
    ],
  ],
];

for (const [what, shape, rates] of shapes) {
  test(`the learning rate follows ${what}`, (t) => {
    for (const [step, rate] of rates)
      t.true(Math.abs(at(step, shape) - rate) < 1e-9, `${at(step, shape)} at ${step}`);
  });
}

test('a shape that counts steps asks for them', (t) => {
  for (const [shape, name] of [
    [{ warmup: 5 }, 'step'],
    [{ warmup: 0, decayFrom: 5 }, 'steps'],
  ] as const)
    t.throws(() => learningRateAt(0.9, 1, shape), {
      instanceOf: TypeError,
      message: new RegExp(`pass \\{ ${name} \\}`),
    });
});
