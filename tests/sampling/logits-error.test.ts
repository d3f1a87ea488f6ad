import test from 'ava';
import { GPT } from '../../src/models/priors/gpt.js';
import { pickToken, type PickOptions } from '../../src/sampling/logits.js';
import { generate, type GenerateOptions, TokenSampler } from '../../src/sampling/sampler.js';
import { sampleImages } from '../../src/sampling/images.js';
import * as torch from '../../src/torch/index.js';
import { classNet } from './first-stages.js';

const prefix = torch.tensor([
  [3n, 1n],
  [4n, 1n],
]);

/** A model that gives NaN from the sixth position on. */
function brokenGpt(): GPT {
  const gpt = new GPT({ vocabSize: 9, blockSize: 16, nLayer: 2, nHead: 2, nEmbd: 8 });
  torch.noGrad(() => gpt.posEmb.narrow(1, 5, 1).fill_(NaN));
  return gpt;
}

const replaying = (work: () => void) => ({ run: work, dispose() {} });

const engines: Record<string, (gpt: GPT, pick: PickOptions, onToken: GenerateOptions['onToken']) => unknown> =
  {
    generate: (gpt, pick, onToken) => generate(gpt, prefix, 10, { ...pick, onToken: onToken! }),
    'generate without a cache': (gpt, pick, onToken) =>
      generate(gpt, prefix, 10, { ...pick, cache: false, onToken: onToken! }),
    TokenSampler: (gpt, pick, onToken) => {
      using sampler = new TokenSampler(gpt, { batch: 2, ...pick });
      return sampler.sample(prefix, 10, { onToken: onToken! });
    },
    'TokenSampler with recorded steps': (gpt, pick, onToken) => {
      using sampler = new TokenSampler(gpt, { batch: 2, bucket: 4, record: replaying, ...pick });
      return sampler.sample(prefix, 10, { onToken: onToken! });
    },
  };

for (const [engine, run] of Object.entries(engines)) {
  for (const pick of [{}, { greedy: true }, { topK: 3, topP: 0.8 }]) {
    test(`NaN in the logits is an error that names the step: ${engine}, ${JSON.stringify(pick)}`, (t) => {
      const seen: number[] = [];
      t.throws(() => run(brokenGpt(), pick, (step) => void seen.push(step)), {
        instanceOf: torch.TorchError,
        message: /at step 4 the logits of row 0 are NaN/,
      });
      t.deepEqual(seen, [0, 1, 2, 3]);
    });
  }
}

test('a prefix that gives NaN at once is an error at step 0', (t) => {
  const gpt = brokenGpt();
  const long = torch.ones([2, 6], { dtype: 'int64' });
  t.throws(() => generate(gpt, long, 1), { message: /at step 0/ });
  using sampler = new TokenSampler(gpt, { batch: 2 });
  t.throws(() => sampler.sample(long, 1), { message: /at step 0/ });
});

test('a model that draws all codes at once names the step, too', (t) => {
  const net = classNet('VQModel', { pkeep: 0 });
  torch.noGrad(() => net.transformer.head.weight.fill_(NaN));
  t.throws(() => sampleImages(net, torch.tensor([[1n]]), { grid: [4, 4] }), {
    instanceOf: torch.TorchError,
    message: /at step 0 the logits of row 0 are NaN/,
  });
});

for (const [what, values, message] of [
  ['NaN', [0, NaN, 0], /row 1 are NaN/],
  ['infinity', [0, Infinity, 0], /row 1 are infinite/],
  ['nothing possible', [-Infinity, -Infinity, -Infinity], /row 1 are all −∞/],
] as const) {
  test(`a row is refused that nothing can be drawn from: ${what}`, (t) => {
    const logits = torch.tensor([[0, 1, 2], [...values]]);
    for (const options of [{}, { greedy: true }, { topK: 1 }, { topP: 0.5 }]) {
      t.throws(() => pickToken(logits, options), { instanceOf: torch.TorchError, message });
    }
  });
}

test('a sampler that met NaN draws again once the weights are numbers', (t) => {
  const gpt = brokenGpt();
  using sampler = new TokenSampler(gpt, { batch: 2, greedy: true });
  t.throws(() => sampler.sample(prefix, 10), { message: /at step 4/ });
  torch.noGrad(() => gpt.posEmb.narrow(1, 5, 1).fill_(1));
  t.deepEqual(sampler.sample(prefix, 10).tolist(), generate(gpt, prefix, 10, { greedy: true }).tolist());
});

test('a token that cannot be is no error', (t) => {
  const logits = torch.tensor([[-Infinity, 1, -Infinity]]);
  for (const options of [{}, { greedy: true }]) t.is(pickToken(logits, options).item(), 1);
});
