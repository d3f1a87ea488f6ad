/** A sampler of images: kept memory for each number of rows, one way of picking. */
import test from 'ava';
import { ImageSampler, sampleImages, sampleTokens } from '../../src/sampling/images.js';
import { TokenSampler } from '../../src/sampling/sampler.js';
import * as torch from '../../src/torch/index.js';
import { classNet } from './first-stages.js';

const classes = (...numbers: bigint[]) => torch.tensor(numbers.map((number) => [number]));
const grid = [4, 4] as const;

for (const [what, options] of Object.entries({
  'one token after another': {},
  'all at once': { pkeep: 0 },
  'with an unmasked prefix': { nUnmasked: 4 },
})) {
  test(`images are those of sampleImages, for any number of rows: ${what}`, (t) => {
    const net = classNet('VQModel', options);
    const generator = new torch.Generator();
    const pick = { topK: 5, temperature: 0.8, generator };
    using sampler = new ImageSampler(net, pick);
    for (const condition of [classes(11n, 3n), classes(4n), classes(3n, 3n)]) {
      const prefix = torch.ones([condition.shape[0]!, 5], { dtype: 'int64' });
      for (const given of [{}, { prefix }]) {
        generator.manualSeed(5);
        const drawn = sampler.sample(condition, { grid, ...given });
        generator.manualSeed(5);
        const expected = sampleImages(net, condition, { grid, ...given, ...pick });
        t.deepEqual(drawn.tolist(), expected.tolist());
      }
    }
  });
}

test('a sampler gives its memory back, and takes it again', (t) => {
  const net = classNet('VQModel');
  const { tensors } = torch.memory();
  const sampler = new ImageSampler(net, { greedy: true });
  const draw = () => torch.scope(() => sampler.sample(classes(2n), { grid }).tolist());
  const drawn = draw();
  sampler.dispose();
  t.is(torch.memory().tensors, tensors);
  t.deepEqual(draw(), drawn);
  sampler.dispose();
  t.throws(() => new ImageSampler(net, { topP: 2 }), { instanceOf: RangeError, message: /topP/ });
});

test('a sampler given alone says how tokens are picked, also all at once', (t) => {
  for (const pkeep of [1, 0]) {
    const net = classNet('VQModel', { pkeep });
    const condition = classes(11n, 3n);
    using sampler = new TokenSampler(net.transformer, { batch: 2, greedy: true });
    const draw = (options: object) => {
      torch.manualSeed(3);
      return sampleTokens(net, condition, 12, options).tolist();
    };
    t.deepEqual(draw({ sampler, topK: 1, temperature: 3 }), draw({ greedy: true }));
  }
});
