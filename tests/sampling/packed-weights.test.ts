/** Samplers of models whose weights are large enough to be packed (nn.withPackedWeights). */
import test from 'ava';
import { eagerEngine } from '../../src/sampling/engines/eager.js';
import { recordedEngine } from '../../src/sampling/engines/recorded.js';
import { TokenMemory } from '../../src/sampling/engines/token-memory.js';
import { drawInOrder } from '../../src/sampling/orders/raster.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import * as torch from '../../src/torch/index.js';
import { livelyGpt } from './lively-gpt.js';

const gpt = livelyGpt({ vocabSize: 256, blockSize: 50, nLayer: 2, nHead: 4, nEmbd: 256 });
const prefix = torch.tensor([[3n], [200n]]);
const [batch, steps] = [2, 40];

test('tokens of packed weights are those of a model that computes everything again', (t) => {
  const seeds = [5, 6];
  const expected = generate(gpt, prefix, steps, { seeds, cache: false }).tolist() as number[][];
  t.true(new Set(expected.flat()).size > 20);
  t.deepEqual(generate(gpt, prefix, steps, { seeds }).tolist(), expected);
  using sampler = new TokenSampler(gpt, { batch });
  for (let call = 0; call < 2; call++)
    t.deepEqual(sampler.sample(prefix, steps, { seeds }).tolist(), expected);
});

/** Counts the packed products of each engine in the middle of a sequence. */
const engines = {
  'with a cache': () =>
    eagerEngine(
      gpt,
      new TokenMemory(gpt, {}, { batch, room: 41, device: 'cpu' }),
      gpt.createCache(batch, 40),
    ),
  'without a cache': () =>
    eagerEngine(gpt, new TokenMemory(gpt, {}, { batch, room: 41, device: 'cpu' }), null),
  'of a sampler': () => recordedEngine(gpt, { batch }),
  'that records': () => recordedEngine(gpt, { batch, record: (work) => ({ run: work, dispose: () => {} }) }),
};

for (const [name, wanted, count] of [
  ['with a cache', 40, 13], // query, key, value, projection and two of the MLP in each block, and the head
  ['with a cache', 31, 0],
  ['without a cache', 40, 0],
  ['of a sampler', 40, 9],
  ['that records', 40, 0],
] as const) {
  test(`an engine ${name} packs ${count} weights for ${wanted} tokens`, (t) => {
    const engine = engines[name]();
    const counts: number[] = [];
    drawInOrder('test', gpt, engine, {
      prefix,
      steps: wanted,
      onToken: () => void counts.push(engine.products.filter((one) => one.packed).length),
    });
    t.deepEqual(counts, Array<number>(wanted).fill(count));
    t.true(engine.products.every((one) => !one.packed));
    engine.dispose();
  });
}
