/** Multi-scale quantization, against recorded values and by its own laws. */
import test from 'ava';
import { MultiScaleVQ } from '../../../src/models/quantizers/multi-scale.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import type { Check } from '../../golden/data.js';
import { checkZooCase, zooCases, type Progress, type ZooCase } from '../../golden/zoo.js';

/** Compares maps of indices, hits and their usage after each step, and what decoding the last ones gives. */
function ofScales({ quantizer, data, prefix, out }: Progress<MultiScaleVQ>, given: ZooCase): Check[] {
  const step = Number(/^step(\d+)\.$/.exec(prefix)![1]);
  const [batch, , height, width] = data.need(`${prefix}z`).shape as [number, number, number, number];
  const usage = (given['usagePercent'] as number[][])[step]!;
  const found = quantizer.usage(batch * height * width);
  const checks = [
    ...quantizer.maps(out.indices).flatMap((map, k) => data.is(`${prefix}indices.${k}`, map)),
    ...data.is(`${prefix}hits`, quantizer.hits),
    ...usage.map((percent, k) => ({
      name: `usage.${k}`,
      error: Math.abs(found[k]! - percent),
      bound: 1e-9,
    })),
  ];
  if (step !== given.steps! - 1) return checks;
  return [...checks, ...torch.noGrad(() => decoded(quantizer, data, out.indices))];
}

function decoded(quantizer: MultiScaleVQ, data: Progress<MultiScaleVQ>['data'], indices: Tensor): Check[] {
  let accumulated: Tensor | null = null;
  const maps = quantizer.maps(indices);
  const inputs = maps.map((map, scale) => {
    const next = quantizer.nextInput(scale, map, accumulated);
    accumulated = next.accumulated;
    return next.input;
  });
  return [
    ...quantizer.accumulated(indices).flatMap((sum, k) => data.is(`accumulated.${k}`, sum)),
    ...inputs.slice(0, -1).flatMap((input, k) => data.is(`nextInput.${k}`, input)),
    ...data.is('transformerInput', quantizer.transformerInput(maps)),
    ...data.is('codes', inputs.at(-1)!),
  ];
}

for (const each of await zooCases('multi-scale'))
  test(`as recorded from the published implementation: ${each.name}`, (t) => {
    checkZooCase(
      t,
      each,
      (options) => new MultiScaleVQ({ vocabSize: 0, embedDim: 0, ...options }),
      (progress) => ofScales(progress, each.given),
    );
  });

const config = { vocabSize: 6, embedDim: 3, vPatchNums: [1, 2, 3] };
const latents = (side = 3) => {
  torch.manualSeed(2);
  return torch.randn([2, 3, side, side]);
};

for (const [shareQuantResi, keys] of [
  [0, ['quant_resi.0', 'quant_resi.1', 'quant_resi.2']],
  [1, ['quant_resi.qresi']],
  [2, ['quant_resi.qresi_ls.0', 'quant_resi.qresi_ls.1']],
] as const)
  test(`published keys with ${shareQuantResi || 'separate'} convolutions`, (t) => {
    const state = new MultiScaleVQ({ ...config, shareQuantResi }).stateDict();
    const layers = keys.flatMap((key) => [`${key}.weight`, `${key}.bias`]);
    t.deepEqual([...state.keys()].sort(), ['ema_vocab_hit_SV', 'embedding.weight', ...layers].sort());
    const none = new MultiScaleVQ({ ...config, shareQuantResi, quantResi: 0 }).stateDict();
    t.deepEqual([...none.keys()].sort(), ['ema_vocab_hit_SV', 'embedding.weight']);
  });

test('codes of indices in each form are what was quantized', (t) => {
  const quantizer = new MultiScaleVQ(config).eval();
  const { quantized, indices } = quantizer.forward(latents());
  const maps = quantizer.maps(indices);
  t.deepEqual(
    maps.map(({ shape }) => shape),
    [1, 2, 3].map((side) => [2, side, side]),
  );
  for (const form of [indices, maps, maps.map((map) => map.flatten(1))]) {
    t.true(torch.allclose(quantizer.codes(form), quantized, { atol: 1e-5 }));
  }
});

test('only training counts hits', (t) => {
  const quantizer = new MultiScaleVQ(config);
  quantizer.indices(latents());
  quantizer.eval().forward(latents());
  t.false(quantizer.hits.any().item());
  t.deepEqual(quantizer.usage(18), [0, 0, 0]);
  quantizer.train().forward(latents());
  t.true(quantizer.hits.any([1]).all().item());
});

test('hits are averaged more slowly after 100 scales, and when they were loaded', (t) => {
  const one = { vocabSize: 1, embedDim: 3, vPatchNums: [3] };
  const quantizer = new MultiScaleVQ(one);
  const moved = (of: MultiScaleVQ): number => {
    of.hits.fill_(0);
    of.forward(latents());
    return Math.round(Number(of.hits.item()) * 100) / 100; // of 18 latents
  };
  t.is(moved(quantizer), 18, 'the first replaces');
  t.is(moved(quantizer), 1.8);
  torch.scope(() => Array.from({ length: 98 }, () => moved(quantizer)));
  t.is(moved(quantizer), 0.18);
  const loaded = new MultiScaleVQ(one);
  const state = quantizer.stateDict();
  loaded.loadStateDict(state);
  const before = Number(loaded.hits.item());
  loaded.forward(latents());
  t.true(Math.abs(Number(loaded.hits.item()) - (0.99 * before + 0.18)) < 1e-5);
  const fresh = new MultiScaleVQ(one);
  const without = new Map([...state].filter(([key]) => key !== 'ema_vocab_hit_SV'));
  t.deepEqual(fresh.loadStateDict(without), { missing: [], unexpected: [] });
  t.is(moved(fresh), 18);
});

test('hits are averaged slowly when their buffer was filled, as a run that resumes does', (t) => {
  const [quantizer, unused] = [0, 1].map(
    () => new MultiScaleVQ({ vocabSize: 1, embedDim: 3, vPatchNums: [3] }),
  );
  quantizer!.hits.fill_(100);
  quantizer!.forward(latents());
  t.true(Math.abs(Number(quantizer!.hits.item()) - (99 + 0.18)) < 1e-4);
  unused!.hits.fill_(0);
  unused!.forward(latents());
  t.is(Number(unused!.hits.item()), 18, 'the first replaces');
});

const zeros = (shape: number[]) => torch.zeros(shape, { dtype: 'int64' });
const quantizer = new MultiScaleVQ(config);
const mistakes: [string, () => unknown, RegExp][] = [
  ['no scales', () => new MultiScaleVQ({ ...config, vPatchNums: [] }), /must be the largest; got \[\]/],
  [
    'a last scale that is not the largest',
    () => new MultiScaleVQ({ ...config, vPatchNums: [1, 4, 3] }),
    /the side of the grid.*\[1, 4, 3\]/,
  ],
  ['another grid', () => quantizer.forward(latents(4)), /a grid of 3 × 3.*not of 4 × 4/],
  ['another width', () => quantizer.indices(torch.zeros([1, 2, 3, 3])), /latents \[B, 3, h, w\]/],
  [
    'another number of tokens',
    () => quantizer.codes(zeros([1, 9])),
    /\[B, 14\], the tokens of all scales.*got \[1, 9\]/,
  ],
  ['another number of maps', () => quantizer.codes([zeros([1, 1, 1])]), /3 scales, but 1 maps/],
  ['a map of another scale', () => quantizer.nextInput(1, zeros([1, 3, 3])), /scale 1 must be \[B, 2, 2\]/],
  ['a scale that is not there', () => quantizer.nextInput(3, zeros([1, 3, 3])), /from 0 to 2, got 3/],
  ['indices of another dtype', () => quantizer.codes(torch.zeros([1, 14])), /int64, not float32/],
  [
    'inputs of a single scale',
    () => new MultiScaleVQ({ ...config, vPatchNums: [2] }).transformerInput(zeros([1, 4])),
    /one scale has no input/,
  ],
];
for (const [name, act, message] of mistakes)
  test(`refused: ${name}`, (t) => {
    const error = t.throws(act, { any: true }) as Error;
    t.regex(error.message, message);
  });
