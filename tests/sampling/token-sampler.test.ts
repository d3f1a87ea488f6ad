import test from 'ava';
import * as torch from '../../src/torch/index.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';

function makeGpt(nUnmasked = 0): GPT {
  torch.manualSeed(4);
  const gpt = new GPT({ vocabSize: 50, blockSize: 40, nLayer: 2, nHead: 3, nEmbd: 24, nUnmasked });
  // Initial weights give nearly even odds, which would hide a wrong position or a wrong mask.
  torch.noGrad(() => {
    for (const parameter of gpt.parameters()) parameter.mul_(8);
    torch.keep(gpt.posEmb.normal_());
  });
  return gpt.double();
}

const prefix = torch.tensor([
  [3n, 1n, 4n],
  [1n, 5n, 9n],
]);

for (const bucket of [1, 7, 16, 64]) {
  test(`tokens are those of generate, looking at ${bucket} positions more at a time`, (t) => {
    const gpt = makeGpt();
    using sampler = new TokenSampler(gpt, { batch: 2, bucket, greedy: true });
    const expected = generate(gpt, prefix, 38, { greedy: true });
    t.true(new Set((expected.tolist() as number[][]).flat()).size > 10);
    t.deepEqual(sampler.sample(prefix, 38).tolist(), expected.tolist());
    // What an earlier call left in the cache lies behind the mask.
    const other = prefix.add(1);
    t.deepEqual(sampler.sample(other, 20).tolist(), generate(gpt, other, 20, { greedy: true }).tolist());
    t.deepEqual(sampler.sample(prefix, 0).tolist(), prefix.tolist());
    t.deepEqual(sampler.sample(prefix, 1).tolist(), expected.narrow(1, 0, 4).tolist());
  });
}

test('draws are those of generate from the same generator', (t) => {
  const gpt = makeGpt();
  const pick = { topK: 20, topP: 0.9, temperature: 0.8 };
  const generator = new torch.Generator();
  using sampler = new TokenSampler(gpt, { batch: 2, generator, ...pick });
  for (const seed of [1, 2]) {
    generator.manualSeed(seed);
    const drawn = sampler.sample(prefix, 30).tolist();
    generator.manualSeed(seed);
    t.deepEqual(drawn, generate(gpt, prefix, 30, { generator, ...pick }).tolist());
  }
});

test('embeddings go before the tokens', (t) => {
  const gpt = makeGpt();
  const embeddings = torch.randn([2, 6, 24], { dtype: 'float64' });
  using sampler = new TokenSampler(gpt, { batch: 2, greedy: true });
  t.deepEqual(
    sampler.sample(prefix, 25, { embeddings }).tolist(),
    generate(gpt, prefix, 25, { embeddings, greedy: true }).tolist(),
  );
});

test('an unmasked prefix given whole is taken, one to be drawn is refused', (t) => {
  const gpt = makeGpt(3);
  using sampler = new TokenSampler(gpt, { batch: 2, greedy: true });
  t.deepEqual(sampler.sample(prefix, 30).tolist(), generate(gpt, prefix, 30, { greedy: true }).tolist());
  t.throws(() => sampler.sample(prefix.narrow(1, 0, 2), 5), { message: /unmasked prefix has 3 positions/ });
});

test('a step is run once in a bucket, recorded, and then replayed', (t) => {
  const gpt = makeGpt();
  const counts = { recorded: 0, replayed: 0, disposed: 0 };
  const record = (work: () => void) => {
    counts.recorded += 1; // A recording of a graph does not run the work either.
    return {
      run() {
        counts.replayed += 1;
        work();
      },
      dispose: () => void (counts.disposed += 1),
    };
  };
  const sampler = new TokenSampler(gpt, { batch: 2, bucket: 10, greedy: true, record });
  const expected = generate(gpt, prefix, 38, { greedy: true }).tolist();
  t.deepEqual(sampler.sample(prefix, 38).tolist(), expected);
  t.deepEqual(counts, { recorded: 4, replayed: 33, disposed: 0 });
  t.deepEqual(sampler.sample(prefix, 38).tolist(), expected);
  t.deepEqual(counts, { recorded: 4, replayed: 70, disposed: 0 });
  t.is(sampler.eagerReason, null);
  sampler.dispose();
  t.is(counts.disposed, 4);
});

test('every drawn token is shown as it is drawn', (t) => {
  using sampler = new TokenSampler(makeGpt(), { batch: 2, bucket: 10 });
  const seen: unknown[] = [];
  const onToken = (step: number, tokens: torch.Tensor) => seen.push([step, tokens.flatten().tolist()]);
  const all = sampler.sample(prefix, 20, { onToken });
  const drawn = all.narrow(1, prefix.shape[1]!, 20).t().tolist() as number[][];
  t.deepEqual(seen, [...drawn.entries()]);
});

test('sampling leaves no tensors behind, and training mode as it was', (t) => {
  const gpt = makeGpt().train();
  const { tensors } = torch.memory();
  const sampler = new TokenSampler(gpt, { batch: 2 });
  sampler.sample(prefix, 10).dispose(); // makes the views of the first window, which stay
  const made = torch.memory().tensors;
  for (let i = 0; i < 2; i++) sampler.sample(prefix, 10).dispose();
  t.is(torch.memory().tensors, made);
  t.true(gpt.training);
  sampler.dispose();
  t.is(torch.memory().tensors, tensors);
});

test('what does not fit is named', (t) => {
  const gpt = makeGpt();
  t.throws(() => new TokenSampler(gpt, { batch: 2, capacity: 41 }), {
    message: /from 1 to the model's blockSize \(40\)/,
  });
  t.throws(() => new TokenSampler(gpt, { batch: 2, bucket: 0 }), { message: /bucket/ });
  t.throws(() => new TokenSampler(gpt, { batch: 2, temperature: 0 }), { message: /temperature/ });
  using sampler = new TokenSampler(gpt, { batch: 2, capacity: 10 });
  t.throws(() => sampler.sample(prefix, 9), { message: /at most 8 tokens/ });
  t.throws(() => sampler.sample(prefix, -1), { message: /steps/ });
  t.throws(() => sampler.sample(prefix.narrow(0, 0, 1), 2), { message: /\[2, length\]/ });
});
