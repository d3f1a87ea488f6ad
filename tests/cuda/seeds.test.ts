import * as torch from '../../src/torch/index.js';
import * as F from '../../src/torch/nn/functional.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { generate } from '../../src/sampling/sampler.js';
import { device, onDevice, placed } from './device.js';

const draw = (generator?: torch.Generator) =>
  torch.randn([64], { device, ...(generator && { generator }) }).tolist();

onDevice('a seed gives the same numbers again, another seed others', (t) => {
  torch.manualSeed(5);
  const first = [draw(), draw()];
  torch.manualSeed(5);
  t.deepEqual([draw(), draw()], first);
  t.notDeepEqual(first[0], first[1]);
  torch.manualSeed(6);
  t.notDeepEqual(draw(), first[0]);
});

onDevice('a generator goes on from a saved state, and leaves the default one alone', (t) => {
  torch.manualSeed(1);
  const undisturbed = draw();
  torch.manualSeed(1);
  const generator = new torch.Generator(device).manualSeed(7);
  draw(generator);
  const state = generator.getState();
  const next = draw(generator);
  t.deepEqual(draw(), undisturbed);
  t.deepEqual(draw(generator.setState(state)), next);
  t.deepEqual(draw(new torch.Generator(device).setState(state)), next);
});

onDevice('dropout, randperm, randint and exponential draws follow the seed', (t) => {
  const all = () => {
    torch.manualSeed(11);
    return torch.scope(() => [
      F.dropout(torch.ones([100], { device }), 0.5, true).tolist(),
      torch.randperm(50, { device }).tolist(),
      torch.randint(0, 1000, [50], { device }).tolist(),
      torch.empty([50], { device }).exponential_().tolist(),
    ]);
  };
  t.deepEqual(all(), all());
});

onDevice('samples of a transformer repeat with the seed', (t) => {
  const gpt = placed(() => new GPT({ vocabSize: 64, blockSize: 24, nLayer: 2, nHead: 2, nEmbd: 32 }));
  const start = torch.zeros([8, 1], { dtype: 'int64', device });
  const sample = (seed: number) => {
    const generator = new torch.Generator(device).manualSeed(seed);
    return generate(gpt, start, 20, { topK: 40, topP: 0.95, generator }).tolist();
  };
  t.deepEqual(sample(1), sample(1));
  t.notDeepEqual(sample(1), sample(2));
});
