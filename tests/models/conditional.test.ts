/**
 * Training and sampling after a condition, against values recorded from the reference (CompVis/taming-transformers
 * 3ba01b2, PyTorch 2.13.0, CPU, float64; weights stored as float16, results as float32) in
 * `tests/fixtures/conditional.safetensors` and `conditional.json`. The transformer of most is that of `windows.safetensors`,
 * the condition stage that of `segmentation.safetensors`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { VQModel } from '../../src/models/autoencoder/vqgan.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import { sampleTokens } from '../../src/sampling/images.js';
import { filterLogits, topKLogits, topPLogits } from '../../src/sampling/logits.js';
import { generate } from '../../src/sampling/sampler.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import * as F from '../../src/torch/nn/functional.js';
import { transformerOptimizer, transformerStep } from '../../src/training/stages/transformer/step.js';
import { GridStage } from '../golden/net2net.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const { tensors } = await loadCheckpoint(fixture('conditional.safetensors'));
const windows = await loadCheckpoint(fixture('windows.safetensors'));
const { step, pkeep, filter } = JSON.parse(readFileSync(fixture('conditional.json'), 'utf8')) as {
  step: {
    loss: number;
    lossAfter: number;
    lr: number;
    optimizer: { groups: [number, number][]; betas: [number, number]; eps: number };
    normsAfterStep: Record<string, number>;
  };
  pkeep: { loss: number };
  filter: { topK: number; topP: number }[];
};

const recorded = (name: string): Tensor => {
  const tensor = tensors.get(name)!;
  return tensor.dtype === 'uint8' ? tensor.long() : tensor;
};
const integers = (name: string) => recorded(name).tolist();

function weightsOf(from: ReadonlyMap<string, Tensor>, prefix: string): Map<string, Tensor> {
  const names = [...from.keys()].filter((name) => name.startsWith(prefix));
  return new Map(names.map((name) => [name.slice(prefix.length), from.get(name)!]));
}

function load(gpt: GPT, from: ReadonlyMap<string, Tensor>, prefix: string): GPT {
  const weights = weightsOf(from, prefix);
  const { missing, unexpected } = gpt.to('float64').loadStateDict(weights, { strict: false });
  const wrong = [...missing.filter((name) => !name.endsWith('attn.mask')), ...unexpected];
  if (wrong.length > 0) throw new Error(`the fixture does not fit: ${wrong.join(', ')}`);
  return gpt.eval();
}

const sizes = { vocabSize: 24, nLayer: 2, nHead: 4, nEmbd: 48 };

function netOf({ pkeep = 1 } = {}): Net2NetTransformer {
  const prior = load(new GPT({ ...sizes, blockSize: 32 }), windows.tensors, 'weights.transformer.');
  return new Net2NetTransformer({
    firstStage: new GridStage(),
    prior,
    condition: '__is_first_stage__',
    pkeep,
  }).eval();
}

const fastGpt = () => load(new GPT({ ...sizes, blockSize: 20 }), tensors, 'weights.fast.');

function error(a: Tensor, b: Tensor): number {
  return torch.scope(() => a.detach().double().sub(b).abs().max().item() / b.abs().max().item());
}

const near = (a: number, b: number) => Math.abs(a - b) < 1e-6 * Math.abs(b);

test('a step of training: logits, loss, gradients, groups of AdamW, weights and the next loss', (t) => {
  const net = netOf().train();
  const tokens = { z: recorded('step.z'), c: recorded('step.c') };
  t.deepEqual(integers('step.target'), tokens.z.tolist());
  t.true(error(net.predict(tokens.z, tokens.c), recorded('step.logits')) < 1e-6);
  const optimizer = transformerOptimizer(net.transformer, { lr: step.lr });
  const groups = optimizer.paramGroups.map(({ params, weightDecay }) => [params.length, weightDecay]);
  t.deepEqual(groups, step.optimizer.groups);
  t.like(optimizer.paramGroups[0], { betas: step.optimizer.betas, eps: step.optimizer.eps });
  t.true(near(transformerStep(net, optimizer, { tokens }).loss.item(), step.loss));
  const parameters = new Map(net.transformer.namedParameters());
  const gradients = [...tensors.keys()].filter((name) => name.startsWith('step.grad.'));
  t.is(gradients.length, 9);
  for (const name of gradients) {
    const { grad } = parameters.get(name.slice('step.grad.'.length))!;
    const difference = grad!.sub(recorded(name)).abs().max().item();
    t.true(difference < 1e-5 * recorded(name).abs().max().item() + 1e-9, `${name}: ${difference}`);
  }
  for (const [name, norm] of Object.entries(step.normsAfterStep)) {
    t.true(near(torch.linalgVectorNorm(parameters.get(name)!).item(), norm), name);
  }
  t.true(near(transformerStep(net, optimizer, { tokens }).loss.item(), step.lossAfter));
});

test('label maps are encoded as the reference’s condition tokens', async (t) => {
  const ddconfig = {
    ch: 32,
    chMult: [1, 1],
    numResBlocks: 1,
    attnResolutions: [],
    resolution: 16,
    inChannels: 5,
    outCh: 5,
    zChannels: 8,
    doubleZ: false,
  };
  const stage = new VQModel({ ddconfig, nEmbed: 20, embedDim: 6, colorizeNlabels: 5 });
  const file = await loadCheckpoint(fixture('segmentation.safetensors'));
  stage.loadStateDict(weightsOf(file.tensors, 'weights.'));
  const net = new Net2NetTransformer({
    firstStage: new GridStage(),
    prior: fastGpt(),
    condition: stage,
  }).to('float64');
  const map = torch.oneHot(recorded('step.seg'), 5).permute([0, 3, 1, 2]).double();
  const { quantized, indices } = net.encodeToC(map);
  t.deepEqual(indices.tolist(), integers('step.c'));
  t.deepEqual(quantized.shape, [2, 6, 4, 4]);
});

test('with replaced tokens the loss is still that of the targets', (t) => {
  const [z, c] = [recorded('step.z'), recorded('step.c')];
  const seen = torch.where(recorded('pkeep.keep').bool(), z, recorded('pkeep.random'));
  const logits = netOf().predict(seen, c);
  t.true(error(logits, recorded('pkeep.logits')) < 1e-6);
  t.true(near(F.crossEntropy(logits.flatten(0, 1), z.flatten()).item(), pkeep.loss));
});

for (const cache of [true, false]) {
  test(`the likeliest tokens, from the start and after half of them, ${cache ? 'with' : 'without'} the cache`, (t) => {
    const net = netOf();
    const condition = recorded('greedy.condition');
    const drawn = (steps: number, prefix?: Tensor) =>
      sampleTokens(net, condition, steps, { cache, topK: 1, ...(prefix && { prefix }) }).tolist();
    t.deepEqual(drawn(16), integers(cache ? 'greedy.cached' : 'greedy.uncached'));
    t.deepEqual(drawn(8, recorded('greedy.halfStart')), integers('greedy.half'));
  });
}

// The reference feeds the condition's own tokens as noise, so that the recorded tokens do not depend on a generator.
test('one pass over noise gives the tokens of each place', (t) => {
  const net = netOf({ pkeep: 0 });
  const condition = recorded('greedy.condition');
  const logits = net.predict(condition, condition);
  t.deepEqual(logits.argmax(-1, true).tolist(), integers('onePass.tokens'));
});

test('after a start token or a class, and with keys and values of the past', (t) => {
  const gpt = fastGpt();
  for (const [name, start] of [
    ['uncond', 3],
    ['class0', 0],
    ['class7', 7],
  ] as const) {
    const tokens = generate(gpt, torch.tensor([[BigInt(start)]]), 16, { topK: 1 });
    t.deepEqual(tokens.narrow(1, 1, 16).tolist(), integers(`fast.${name}.tokens`), name);
  }
  const tokens = recorded('fast.cachedTokens');
  t.deepEqual(generate(gpt, tokens.narrow(1, 0, 1), 16, { greedy: true }).tolist(), tokens.tolist());
  const cache = gpt.createCache(1, 16);
  const logits = torch.noGrad(() =>
    Array.from({ length: 16 }, (_, i) => gpt.forward(tokens.narrow(1, i, 1), { cache })),
  );
  t.true(error(torch.cat(logits, 1), recorded('fast.cachedLogits')) < 1e-6);
});

for (const [i, { topK, topP }] of filter.entries()) {
  test(`the reference’s filter with top-k ${topK} and top-p ${topP}`, (t) => {
    const logits = recorded('filter.logits').double();
    const kept = topK > 0 ? topKLogits(logits, topK) : logits;
    const own = topPLogits(kept, topP);
    const theirs = recorded(`filter.${i}`);
    const rows = (of: Tensor) => of.isinf().logicalNot().sum(-1).tolist();
    t.deepEqual(rows(own), rows(theirs));
    // Which of equal values stay is the sort's choice in row 2.
    for (const row of [0, 1, 3]) {
      t.deepEqual(own.select(0, row).float().tolist(), theirs.select(0, row).tolist());
    }
    if (topP > 0) t.deepEqual(filterLogits(logits, { topK: topK || null, topP }).tolist(), own.tolist());
  });
}

test('Net2Net’s own top-k is the same', (t) => {
  const own = filterLogits(recorded('filter.logits').double(), { topK: 3 });
  t.deepEqual(own.float().tolist(), integers('filter.netTopK3'));
});
