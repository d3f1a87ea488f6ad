import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import { failures, goldenTensors, relativeError, values, worst } from '../../golden/data.js';
import { checkGptForward, checkGptGreedy, checkTopK, goldenDecayGroups, makeGpt } from '../../golden/gpt.js';
import { net2netFixture } from '../../golden/net2net.js';

const weights = await goldenTensors('gpt-weights');
const io = await goldenTensors('gpt-io');
const fixture = await net2netFixture();

const tiny = { vocabSize: 11, blockSize: 9, nLayer: 2, nHead: 2, nEmbd: 8 };

test('logits, loss, gradients and embeddings equal the reference', (t) => {
  const checks = checkGptForward(weights, io);
  t.is(checks.length, 12);
  t.log(`worst: ${JSON.stringify(worst(checks))}`);
  t.deepEqual(failures(checks), []);
});

test('the greedy continuation equals the reference, with and without the cache', (t) => {
  t.deepEqual(failures(checkGptGreedy(weights, io)), []);
});

test('top-k keeps ties and gives the probabilities of the reference', (t) => {
  t.deepEqual(failures(checkTopK(io)), []);
});

test('weight decay reaches the parameters it reaches in the reference', (t) => {
  const { actual, expected } = goldenDecayGroups(weights);
  t.deepEqual(actual, expected);
});

test('state-dict keys come in order, with the float mask', (t) => {
  const state = new GPT(tiny).stateDict();
  t.deepEqual([...state.keys()].slice(0, 7), [
    'pos_emb',
    'tok_emb.weight',
    'blocks.0.ln1.weight',
    'blocks.0.ln1.bias',
    'blocks.0.ln2.weight',
    'blocks.0.ln2.bias',
    'blocks.0.attn.mask',
  ]);
  const mask = state.get('blocks.1.attn.mask')!;
  t.deepEqual([mask.dtype, mask.shape], ['float32', [1, 1, 9, 9]]);
  t.is(mask.sum().item(), 45);
});

test('initial weights for a seed are PyTorch’s', (t) => {
  const text = readFileSync(new URL('../../fixtures/gpt-init.json', import.meta.url), 'utf8');
  const { seed, config, sha256 } = JSON.parse(text) as {
    seed: number;
    config: { vocab: number; block: number; layers: number; width: number };
    sha256: Record<string, string>;
  };
  torch.manualSeed(seed);
  const gpt = new GPT({
    vocabSize: config.vocab,
    blockSize: config.block,
    nLayer: config.layers,
    nHead: 4,
    nEmbd: config.width,
  });
  const hashes = gpt.namedParameters().map(([name, parameter]) => {
    const bytes = parameter.detach().toTypedArray() as Float32Array;
    return [name, createHash('sha256').update(bytes).digest('hex')];
  });
  t.deepEqual(Object.fromEntries(hashes), sha256);
});

for (const nUnmasked of [0, 6]) {
  test(`rows of a cache continue at positions of their own: ${nUnmasked} unmasked`, (t) => {
    const gpt = makeGpt(weights, 'float64', nUnmasked);
    const idx = io.get('idx')!.narrow(1, 0, 12); // [2, 12]
    const range = (from: number, to: number) => torch.arange(from, to, { dtype: 'int64' });
    torch.noGrad(() => {
      using cache = gpt.createCache(4, 12);
      const expected = gpt.forward(idx); // [2, 12, V]
      // Row 3 begins with 9 tokens of the second sequence, and row 1 with 7 of the first, padded.
      const padded = torch.cat([idx.narrow(1, 0, 7), torch.zeros([2, 2], { dtype: 'int64' })], 1);
      const first = torch.cat([idx.narrow(0, 1, 1).narrow(1, 0, 9), padded.narrow(0, 0, 1)]); // [2, 9]
      const begun = cache.rows(torch.tensor([3n, 1n]), range(0, 9).expand([2, 9]), null, nUnmasked);
      const beginning = gpt.forward(first, { cache: begun });
      // Both go on, in the other order, at positions that are known already.
      const position = torch.stack([range(4, 10), range(5, 11)]);
      const cells = cache.rows(torch.tensor([1n, 3n]), position, 11, nUnmasked);
      const rest = gpt.forward(idx.gather(1, position), { cache: cells }); // [2, 6, V]
      const near = (a: Tensor, b: Tensor) => t.true(relativeError(values(a), values(b)) < 1e-10);
      near(beginning.select(0, 0), expected.select(0, 1).narrow(0, 0, 9));
      near(beginning.select(0, 1).narrow(0, 0, 7), expected.select(0, 0).narrow(0, 0, 7));
      near(rest.select(0, 0), expected.select(0, 0).narrow(0, 4, 6));
      near(rest.select(0, 1), expected.select(0, 1).narrow(0, 5, 6));
      t.is(cache.length, 0);
    });
  });
}

test('an unmasked prefix sees itself in both directions', (t) => {
  const gpt = makeGpt(weights, 'float64', 6);
  const logits = torch.noGrad(() => gpt.forward(fixture('unmasked.tokens')));
  t.true(relativeError(values(logits), values(fixture('unmasked.logits'))) < 1e-10);
});

test('a cache filled in uneven pieces gives the logits of one pass', (t) => {
  const gpt = makeGpt(weights);
  const idx = io.get('idx')!;
  torch.noGrad(() => {
    using cache = gpt.createCache(2);
    let at = 0;
    const pieces = [3, 1, 5, 1, 1, 12].map((count) => {
      const piece = gpt.forward(idx.narrow(1, at, count), { cache });
      at += count;
      return piece;
    });
    const expected = io.get('logits')!.narrow(1, 0, at);
    t.true(relativeError(values(torch.cat(pieces, 1)), values(expected)) < 1e-10);
    t.is(cache.length, at);
    cache.reset();
    const last = gpt.forward(idx.narrow(1, 0, at), { cache, lastOnly: true });
    t.deepEqual(last.shape, [2, 1, 48]);
    t.true(relativeError(values(last), values(expected.narrow(1, at - 1, 1))) < 1e-10);
  });
});

test('logits of one place of each row are those of the whole row', (t) => {
  const gpt = makeGpt(weights);
  const at = torch.tensor([3n, 7n]);
  torch.noGrad(() => {
    const logits = gpt.forward(io.get('idx')!.narrow(1, 0, 9), { at });
    t.deepEqual(logits.shape, [2, 1, 48]);
    const expected = [3, 7].map((place, row) => io.get('logits')!.narrow(0, row, 1).narrow(1, place, 1));
    t.true(relativeError(values(logits), values(torch.cat(expected))) < 1e-10);
  });
});

test('a forward pass leaves nothing but its result behind', (t) => {
  const gpt = new GPT(tiny).eval();
  const idx = torch.randint(0, 11, [2, 5], { dtype: 'int64' });
  torch.noGrad(() => {
    const before = torch.memory().tensors;
    const logits = gpt.forward(idx);
    t.is(torch.memory().tensors, before + 1);
    logits.dispose();
    gpt.createCache(2).dispose();
    t.is(torch.memory().tensors, before);
  });
});

test('dropout acts in training only', (t) => {
  const gpt = new GPT({ ...tiny, embdPdrop: 0.5, residPdrop: 0.5, attnPdrop: 0.5 });
  const idx = torch.randint(0, 11, [2, 5], { dtype: 'int64' });
  const twice = (): [Tensor, Tensor] => [gpt.forward(idx), gpt.forward(idx)];
  const [a, b] = twice();
  t.false(torch.equal(a, b));
  gpt.eval();
  const [c, d] = twice();
  t.true(torch.equal(c, d));
});

test('what does not fit is named', (t) => {
  const gpt = new GPT(tiny);
  const ids = (...shape: number[]) => torch.zeros(shape, { dtype: 'int64' });
  t.throws(() => gpt.forward(ids(2, 10)), { instanceOf: torch.ShapeError, message: /10 positions .* 9/ });
  t.throws(() => gpt.forward(ids(4)), { instanceOf: torch.ShapeError, message: /\[batch, length\]/ });
  t.throws(() => gpt.forward(ids(2, 3), { embeddings: torch.zeros([2, 1, 5]) }), {
    instanceOf: torch.ShapeError,
    message: /\[batch, count, 8\]/,
  });
  t.throws(() => new GPT({ ...tiny, nHead: 3 }), { message: /nEmbd \(8\) .* nHead \(3\)/ });
  t.throws(() => new GPT({ ...tiny, vocabSize: 0 }), { message: /vocabSize/ });
  t.throws(() => new GPT({ ...tiny, attnPdrop: 1 }), { message: /attnPdrop/ });
  t.throws(() => new GPT({ ...tiny, nUnmasked: 10 }), { message: /nUnmasked/ });
  using cache = gpt.createCache(2, 4);
  t.throws(() => gpt.forward(ids(2, 1), { cache }), { message: /inside torch\.noGrad/ });
  t.throws(() => torch.noGrad(() => gpt.forward(ids(2, 5), { cache })), {
    message: /capacity of 4 positions/,
  });
  t.throws(() => torch.noGrad(() => gpt.forward(ids(3, 2), { cache })), { message: /batch size of 2/ });
});

test('query, key and value in one product: the same keys, logits and gradients', (t) => {
  const outcome = (fused: boolean) => {
    const gpt = makeGpt(weights).fuseQkv(fused);
    const logits = gpt.forward(torch.arange(0, 20, 1, { dtype: 'int64' }).view([2, 10]));
    logits.square().mean().backward();
    return { gpt, logits };
  };
  const [apart, fused] = [outcome(false), outcome(true)];
  t.true(relativeError(values(fused.logits), values(apart.logits)) < 1e-12);
  t.deepEqual([...fused.gpt.stateDict().keys()], [...apart.gpt.stateDict().keys()]);
  const expected = new Map(apart.gpt.namedParameters());
  for (const [name, { grad }] of fused.gpt.namedParameters()) {
    if (name.endsWith('.key.bias')) continue; // zero by mathematics, noise in both
    t.true(relativeError(values(grad!), values(expected.get(name)!.grad!)) < 1e-10, name);
  }
});
