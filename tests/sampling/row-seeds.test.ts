/** Seeds of rows: what is drawn does not depend on the rows it is drawn with. */
import test from 'ava';
import { cellNoise, rowNoise, seedWords } from '../../src/sampling/cell-noise.js';
import { ImageSampler, sampleImages, sampleTokens } from '../../src/sampling/images.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { sampleWindowed } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import { classNet } from './first-stages.js';
import { livelyGpt } from './lively-gpt.js';

const gpt = livelyGpt({ vocabSize: 40, blockSize: 24, nLayer: 2, nHead: 2, nEmbd: 8 }).double();
const prefixes = (rows: number[]) => torch.tensor(rows.map((row) => [BigInt(row), 7n]));
const seeds = [3, 3, 2 ** 53 - 1, 0, 12345678901];
const steps = 20;

/** Tokens of each row of the batches, with the default generator in another state each time. */
function drawn(batches: number[][], draw: (rows: number[]) => torch.Tensor) {
  return batches.flatMap((rows, i) => {
    torch.manualSeed(i);
    return draw(rows).tolist() as number[][];
  });
}

test('noise of rows is that of the first row of their seed', (t) => {
  const cells = torch.tensor([0n, 5n, 900n]);
  const noise = rowNoise(seedWords(seeds, 'cpu'), 6)(cells);
  t.deepEqual(noise.shape, [5, 3, 6]);
  for (const [row, seed] of seeds.entries()) {
    const alone = cellNoise(seed, { batch: 1, vocabulary: 6, device: 'cpu' })(cells);
    t.deepEqual(noise.narrow(0, row, 1).tolist(), alone.tolist());
  }
});

for (const pick of [{ topK: 20 }, { repetitionPenalty: 1.5 }]) {
  test(`tokens of a row are the same in any batch, cached or not, and by a sampler: ${JSON.stringify(pick)}`, (t) => {
    const by =
      (options: object) =>
      (rows: number[]): torch.Tensor =>
        generate(gpt, prefixes(rows.map((row) => row % 3)), steps, {
          ...pick,
          ...options,
          seeds: rows.map((row) => seeds[row]!),
        });
    const together = drawn([[0, 1, 2, 3, 4]], by({}));
    t.is(new Set(together.map(String)).size, 5);
    t.deepEqual(drawn([[0], [1], [2], [3], [4]], by({})), together);
    t.deepEqual(
      drawn(
        [
          [0, 1],
          [2, 3, 4],
        ],
        by({ cache: false }),
      ),
      together,
    );
    t.notDeepEqual(
      drawn([[0, 1, 2, 3, 4]], (rows) => generate(gpt, prefixes(rows), steps, pick)),
      together,
    );
    using sampler = new TokenSampler(gpt, { batch: 1, bucket: 5, ...pick });
    const one = ([row]: number[]) => sampler.sample(prefixes([row! % 3]), steps, { seeds: [seeds[row!]!] });
    t.deepEqual(drawn([[0], [1], [2], [3], [4]], one), together);
  });
}

test('a recorded step is forgotten when rows get seeds, and used again after that', (t) => {
  const counts = { made: 0, disposed: 0 };
  const record = (run: () => void) => {
    counts.made++;
    return { run, dispose: () => void counts.disposed++ };
  };
  using sampler = new TokenSampler(gpt, { batch: 1, bucket: 24, record });
  const sample = (own: number[] | null) => void sampler.sample(prefixes([1]), 5, { seeds: own });
  for (const [own, made, disposed] of [
    [null, 1, 0],
    [[4], 2, 1],
    [[5], 2, 1],
    [null, 3, 2],
  ] as const) {
    sample(own === null ? null : [...own]);
    t.deepEqual(counts, { made, disposed });
  }
});

test('images have seeds, too', (t) => {
  const net = classNet('VQModel').double();
  const condition = torch.tensor([[1n], [4n]]);
  using sampler = new ImageSampler(net);
  const images = sampler.sample(condition, { grid: [3, 3], seeds: [8, 9] });
  const second = sampleImages(net, condition.narrow(0, 1, 1), { grid: [3, 3], seeds: [9] });
  // Decoded in another batch, images differ by rounding.
  t.true(images.narrow(0, 1, 1).sub(second).abs().max().item() < 1e-9);
});

test('so have windows: a row is the same in any batch, and as without windows where there is one', (t) => {
  const net = classNet('VQModel').double();
  const condition = torch.tensor([[1n], [4n]]);
  const windows = { grid: [4, 5], window: 3 } as const;
  const both = sampleWindowed(net, condition, { ...windows, seeds: [8, 9] });
  const second = sampleWindowed(net, condition.narrow(0, 1, 1), { ...windows, seeds: [9] });
  t.deepEqual(second.tolist(), both.narrow(0, 1, 1).tolist());
  t.notDeepEqual(sampleWindowed(net, condition, { ...windows, seeds: [9, 8] }).tolist(), both.tolist());
  const whole = sampleWindowed(net, condition, { grid: [3, 3], window: 3, seeds: [8, 9] });
  t.deepEqual(whole.flatten(1).tolist(), sampleTokens(net, condition, 9, { seeds: [8, 9] }).tolist());
});

const refusals: [string, () => unknown, RegExp][] = [
  [
    'too few',
    () => generate(gpt, prefixes([0, 1]), 2, { seeds: [1] }),
    /generate: seeds must be one .* got 1 seeds for 2 rows/,
  ],
  ['a negative seed', () => generate(gpt, prefixes([0]), 2, { seeds: [-1] }), /got the seed -1/],
  [
    'all tokens at once',
    () => sampleTokens(classNet('VQModel', { pkeep: 0 }), torch.tensor([[1n]]), 4, { seeds: [1] }),
    /sampleTokens: seeds are for tokens that are drawn one after another/,
  ],
  [
    'windows with a seed of the whole batch, too',
    () => sampleWindowed(classNet('VQModel'), torch.tensor([[1n]]), { grid: [3, 3], seed: 2, seeds: [1] }),
    /seed 2 was given together with seeds/,
  ],
];
for (const [what, call, message] of refusals) {
  test(`refused: ${what}`, (t) => {
    t.throws(call, { message });
  });
}
