/** Classifier-free guidance: the formula, its schedules, and equal tokens in both engines. */
import test from 'ava';
import { Labelator } from '../../src/models/conditions/class.js';
import { VQModel } from '../../src/models/autoencoder/vqgan.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import { guidanceScales, guidedLogits, type GuidanceOptions } from '../../src/sampling/guidance.js';
import { ImageSampler, sampleImages, sampleTokens } from '../../src/sampling/images.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { sampleWindowed, type SampleWindowedOptions } from '../../src/sampling/windows.js';
import type { WindowStep } from '../../src/sampling/orders/window.js';
import * as torch from '../../src/torch/index.js';
import { GridStage } from '../golden/net2net.js';
import { ddconfig } from './first-stages.js';
import { livelyGpt } from './lively-gpt.js';

/** Ten codes, three classes, and 3 for a dropped class unless there is none. */
function guidable({ pkeep = 1, nullToken = 3 }: { pkeep?: number; nullToken?: number | null } = {}) {
  const prior = livelyGpt({ vocabSize: 10, blockSize: 16, nLayer: 2, nHead: 2, nEmbd: 8 }).double();
  torch.manualSeed(2);
  const firstStage = new VQModel({ ddconfig, nEmbed: 10, embedDim: 8 });
  const condition = new Labelator({ nClasses: 3 });
  return new Net2NetTransformer({ prior, firstStage, condition, pkeep, nullToken }).double().eval();
}

const net = guidable();
const classes = torch.tensor([[0n], [2n]]);
const dropped = torch.tensor([[3n], [3n]]);

/** Draws 12 tokens for each class, with the same random numbers each time. */
function drawn(options: object, of: Net2NetTransformer = net, condition = classes) {
  const generator = new torch.Generator().manualSeed(5);
  return sampleTokens(of, condition, 12, { ...options, generator }).tolist() as number[][];
}

test('logits are u + s(c − u), exactly c at 1 and u at 0', (t) => {
  const logits = torch.tensor(
    [
      [1, 2],
      [0.5, 4],
    ],
    { dtype: 'float64' },
  );
  const at = (scale: number) =>
    guidedLogits(logits, torch.tensor([scale], { dtype: 'float64' })).tolist() as number[][];
  t.deepEqual(at(3), [[0.5 + 3 * 0.5, 4 + 3 * -2]]);
  t.deepEqual(at(1), [[1, 2]]);
  t.deepEqual(at(0), [[0.5, 4]]);
  t.is(guidedLogits(logits.to('bfloat16'), torch.ones([1], { dtype: 'float64' })).dtype, 'float32');
});

const rounded = (scales: number[]) => scales.map((scale) => Math.round(scale * 1e9) / 1e9);
const schedules: [GuidanceOptions, number[]][] = [
  [{ guidance: 3 }, [3, 3, 3, 3]],
  [{ guidance: 3, guidanceSchedule: 'linear' }, [1, 1.5, 2, 2.5]],
  // (1 − cos(π k/4)) / 2 = 0, 0.1464466094, 0.5, 0.8535533906
  [{ guidance: 3, guidanceSchedule: 'cosine' }, [1, 1.292893219, 2, 2.707106781]],
  // Squares of the places: 0, 1/16, 1/4, 9/16.
  [{ guidance: 3, guidanceSchedule: 'cosine', guidancePower: 2 }, [1, 1.01921472, 1.292893219, 2.195090322]],
  // 0⁰ = 1, as in RAR: constant.
  [{ guidance: 3, guidanceSchedule: 'cosine', guidancePower: 0 }, [3, 3, 3, 3]],
  [{ guidance: 3, guidanceInterval: [1, 3] }, [1, 3, 3, 1]],
  [{ guidance: 3, guidanceSchedule: 'linear', guidanceInterval: [2, 9] }, [1, 1, 2, 2.5]],
];
for (const [options, expected] of schedules) {
  test(`scales at four tokens: ${JSON.stringify(options)}`, (t) => {
    t.deepEqual(rounded(guidanceScales(options, 4)), expected);
  });
}

test('the cosine schedule is RAR’s: every 17th of 256 scales, recorded from bytedance/1d-tokenizer 942a96f', (t) => {
  const scales = guidanceScales({ guidance: 16, guidanceSchedule: 'cosine', guidancePower: 2.75 }, 256);
  const recorded = [
    1, 1.000012, 1.000557, 1.005183, 1.02521, 1.085898, 1.233371, 1.541038, 2.112835, 3.078043, 4.569121,
    6.671452, 9.336553, 12.26598, 14.81125, 15.99576,
  ];
  for (const [i, value] of recorded.entries())
    t.true(Math.abs(scales[17 * i]! - value) < 1e-5 * value, `scale ${17 * i}`);
});

test('guidance 1 is none, 0 is the dropped condition, and more is neither', (t) => {
  const unguided = drawn({});
  t.deepEqual(drawn({ guidance: 1 }), unguided);
  t.deepEqual(drawn({ guidance: 3, guidanceInterval: [12, 13] }), unguided, 'outside the interval: c');
  const unconditional = drawn({ guidance: 0 });
  const generator = new torch.Generator().manualSeed(5);
  const expected = generate(net.transformer, dropped, 12, { generator }).narrow(1, 1, 12).tolist();
  t.deepEqual(unconditional, expected);
  t.notDeepEqual(drawn({ guidance: 3 }), unguided);
  t.notDeepEqual(drawn({ guidance: 3 }), unconditional);
});

const guided: GuidanceOptions[] = [
  { guidance: 3 },
  { guidance: 2.5, guidanceSchedule: 'cosine', guidancePower: 2 },
  { guidance: 4, guidanceSchedule: 'linear', guidanceInterval: [2, 9] },
];
for (const options of guided) {
  test(`each token is drawn from the guided logits, in all engines alike: ${JSON.stringify(options)}`, (t) => {
    const tokens = drawn({ ...options, greedy: true });
    const scales = guidanceScales(options, 12);
    torch.noGrad(() => {
      const rows = torch.tensor(tokens.map((row) => row.map(BigInt)));
      const [c, u] = [classes, dropped].map((first) => net.transformer.forward(torch.cat([first, rows], 1)));
      const s = torch.tensor(scales, { dtype: 'float64' }).view([1, 12, 1]);
      const logits = u!.add(c!.sub(u!).mul(torch.cat([s, s.narrow(1, 0, 1)], 1))).narrow(1, 0, 12);
      t.deepEqual(logits.argmax(-1).tolist(), tokens);
    });
    const more = { ...options, repetitionPenalty: 1.3, topK: 6 };
    const cached = drawn(more);
    t.deepEqual(drawn({ ...more, cache: false }), cached);
    const generator = new torch.Generator().manualSeed(5);
    using sampler = new TokenSampler(net.transformer, { batch: 2, bucket: 5, ...more, generator });
    const sampled = () => sampleTokens(net, classes, 12, { sampler }).tolist();
    t.deepEqual(sampled(), cached);
    generator.manualSeed(5);
    t.deepEqual(sampled(), cached, 'and again');
  });
}

test('a prefix counts as the beginning of the image', (t) => {
  const options = { guidance: 4, guidanceSchedule: 'linear', greedy: true } as const;
  const whole = torch.tensor(drawn(options).map((row) => row.map(BigInt)));
  const rest = sampleTokens(net, classes, 7, { ...options, prefix: whole.narrow(1, 0, 5) });
  t.deepEqual(rest.tolist(), whole.tolist());
});

test('embeddings precede both conditions', (t) => {
  const embeddings = torch.ones([2, 2, 8], { dtype: 'float64' });
  const how = { embeddings, nullCondition: dropped, guidance: 3, greedy: true };
  const cached = generate(net.transformer, classes, 10, how).tolist();
  t.deepEqual(generate(net.transformer, classes, 10, { ...how, cache: false }).tolist(), cached);
  t.notDeepEqual(generate(net.transformer, classes, 10, { ...how, embeddings: null }).tolist(), cached);
});

test('images are guided, and nothing is left behind', (t) => {
  const pick = { guidance: 3, greedy: true };
  const { tensors } = torch.memory();
  using sampler = new ImageSampler(net, pick);
  torch.scope(() => {
    const images = sampler.sample(classes, { grid: [3, 4] });
    t.deepEqual(images.tolist(), sampleImages(net, classes, { grid: [3, 4], ...pick }).tolist());
  });
  sampler.dispose();
  t.is(torch.memory().tensors, tensors);
});

/** A second stage over maps of ten codes, where 10 stands for a dropped one. */
function mapNet() {
  const prior = livelyGpt({ vocabSize: 11, blockSize: 17, nLayer: 2, nHead: 2, nEmbd: 8 });
  const net = { prior, firstStage: new GridStage(), condition: '__is_first_stage__', nullToken: 10 } as const;
  return new Net2NetTransformer(net).double().eval();
}

const map = torch.randint(0, 10, [2, 4, 5], { generator: new torch.Generator().manualSeed(1) });
const conditions: [string, Net2NetTransformer, torch.Tensor][] = [
  ['a class', net, classes],
  ['a map', mapNet(), map],
];
for (const [what, of, condition] of conditions) {
  test(`in windows after ${what}, tokens are drawn from the guided logits of both conditions`, (t) => {
    const windows = { grid: [4, 5], window: 3, seed: 4 } as const;
    const tokens = (options: SampleWindowedOptions, given = condition) =>
      sampleWindowed(of, given, { ...windows, ...options }).tolist();
    const plain = tokens({});
    t.deepEqual(tokens({ guidance: 1 }), plain);
    t.deepEqual(tokens({ guidance: 3, guidanceInterval: [20, 21] }), plain, 'no cell is in the interval');
    if (condition.ndim === 3) t.deepEqual(tokens({ guidance: 0 }), tokens({}, of.dropped(condition)!));
    const options = { guidance: 30, guidanceSchedule: 'linear' } as const;
    const scales = guidanceScales(options, 20);
    const onStep = ({ cells, fed, logits }: WindowStep) => {
      const length = condition.ndim === 3 ? 9 : 1;
      const codes = fed.narrow(1, length, fed.shape[1]! - length);
      const without = torch.cat([of.dropped(fed.narrow(1, 0, length))!, codes], 1);
      for (const [i, { row, column, top, left }] of [...cells, ...cells].entries()) {
        const place = length - 1 + (row - top) * 3 + column - left;
        const [c, u] = [fed, without].map((rows) =>
          of.transformer.forward(rows.narrow(0, i, 1)).select(1, place),
        );
        const expected = u!.add(c!.sub(u!).mul(scales[row * 5 + column]!));
        t.true(
          expected
            .sub(logits.narrow(0, i, 1))
            .abs()
            .max()
            .item() < 1e-9,
        );
      }
    };
    const guided = tokens({ ...options, onStep });
    t.notDeepEqual(guided, plain);
    t.deepEqual(tokens({ ...options, order: 'sequential', maxBatch: 1 }), guided);
  });
}

const refusals: [string, () => unknown, RegExp][] = [
  ['a negative scale', () => drawn({ guidance: -1 }), /guidance must be a non-negative number/],
  [
    'an unknown schedule',
    () => drawn({ guidanceSchedule: 'square' }),
    /guidanceSchedule must be one of constant, linear, cosine, got square/,
  ],
  ['a negative power', () => drawn({ guidancePower: -2 }), /guidancePower must be a non-negative number/],
  ['an empty interval', () => drawn({ guidanceInterval: [3, 3] }), /guidanceInterval must be two integers/],
  [
    'a model without a dropped condition',
    () => drawn({ guidance: 2 }, guidable({ nullToken: null })),
    /guidance is 2, but the model was trained without dropped conditions.*--condition-dropout 0\.1/,
  ],
  [
    'a sampler of images of such a model',
    () => new ImageSampler(guidable({ nullToken: null }), { guidance: 2 }),
    /trained without dropped conditions/,
  ],
  [
    'a prior without the tokens of a dropped condition',
    () => generate(net.transformer, classes, 2, { guidance: 2 }),
    /generate: guidance is 2, but there are no tokens of a dropped condition: pass nullCondition/,
  ],
  [
    'a dropped condition that does not fit',
    () =>
      generate(net.transformer, classes, 2, {
        guidance: 2,
        nullCondition: torch.zeros([2, 3], { dtype: 'int64' }),
      }),
    /nullCondition must be \[2, count\] with 1 to 1 tokens.*got \[2, 3\]/,
  ],
  [
    'tokens that are drawn at once',
    () => drawn({ guidance: 2 }, guidable({ pkeep: 0 })),
    /not drawn one after another/,
  ],
  [
    'windows of a model without a dropped condition',
    () => sampleWindowed(guidable({ nullToken: null }), classes, { grid: [3, 3], window: 2, guidance: 2 }),
    /guidance is 2, but the model was trained without dropped conditions/,
  ],
  [
    'a dropped condition outside the vocabulary',
    () => guidable({ nullToken: 10 }),
    /nullToken 10 is not in the vocabulary of 10/,
  ],
];
for (const [what, call, message] of refusals) {
  test(`refused: ${what}`, (t) => {
    t.throws(call, { message });
  });
}
