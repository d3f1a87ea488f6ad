/** Lookup-free quantization, against recorded values and by its own laws. */
import test from 'ava';
import { backbones } from '../../../src/models/autoencoder/blocks.js';
import { VQGAN } from '../../../src/models/autoencoder/any-quantizer.js';
import { LFQ, type LFQConfig } from '../../../src/models/quantizers/lfq.js';
import type { QuantizedByTerms } from '../../../src/models/encoded.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import type { Check } from '../../golden/data.js';
import { checkZooCase, zooCases, type Progress } from '../../golden/zoo.js';

const make = (options: Record<string, unknown>) => new LFQ(options);

for (const each of await zooCases('lfq'))
  test(`as recorded from lucidrains' implementation: ${each.name}`, (t) => {
    checkZooCase(t, each, make);
  });

/** Compares what a training adds: parts of indices, and the loss with its weights. */
function asTrained({ quantizer, data, prefix, out }: Progress<LFQ>): Check[] {
  if (prefix !== '') return [];
  const gradientOf = (of: (out: QuantizedByTerms) => Tensor): Tensor => {
    const z = data.need('z').clone().requiresGrad_();
    return torch.grad([of(quantizer.forward(z))], [z])[0]!;
  };
  const objective = (one: QuantizedByTerms) => quantizer.weighted(one).add(one.quantized.square().mean());
  const parts = data.has('indices.pre') ? quantizer.factorizedIndices(out.indices) : [];
  return [
    ...data.maybe('indices.pre', () => parts[0]),
    ...data.maybe('indices.post', () => parts[1]),
    ...data.is('weighted', quantizer.weighted(out as QuantizedByTerms)),
    ...data.is('grad.weighted.z', gradientOf(objective)),
    ...data.is(
      'grad.commitment.z',
      gradientOf(({ losses }) => losses['commitment']!),
    ),
  ];
}

for (const each of await zooCases('open-magvit2'))
  test(`as recorded from Open-MAGVIT2: ${each.name}`, (t) => {
    checkZooCase(t, each, make, asTrained);
  });

const z = (width: number, dtype: torch.DType = 'float32') => {
  torch.manualSeed(3);
  return torch.randn([2, width, 3, 2], { dtype });
};

test('every code is the code of its index, in both orders of bits', (t) => {
  const all = torch.arange(8, { dtype: 'int64' }).reshape([1, 2, 4]);
  for (const [bitOrder, second] of [
    ['mostSignificantFirst', [-1, -1, 1]],
    ['leastSignificantFirst', [1, -1, -1]],
  ] as const) {
    const quantizer = new LFQ({ codebookSize: 8, bitOrder });
    t.deepEqual(quantizer.codebook.select(0, 1).tolist(), second, bitOrder);
    t.deepEqual(quantizer.forward(quantizer.codes(all)).indices.tolist(), all.tolist());
    t.deepEqual(quantizer.indices(quantizer.codes(all)).tolist(), all.tolist());
    t.deepEqual(quantizer.indicesOfBits(quantizer.bits(all)).tolist(), all.tolist());
  }
});

test('a latent of 0 has the bit 0', (t) => {
  const { quantized, indices } = new LFQ({ codebookSize: 4 }).eval().forward(torch.zeros([1, 2, 1, 1]));
  t.deepEqual([quantized.flatten().tolist(), indices.tolist()], [[-1, -1], [[[0]]]]);
});

test('a whole code of 18 bits has the entropies of the softmax over all of its codes', (t) => {
  const latents = torch.randn([1, 18, 1, 2], { dtype: 'float64' });
  const quantizer = new LFQ({ codebookSize: 2 ** 18, invTemperature: 0.5 }).double();
  const codes = quantizer.codebook.double(); // [2^18, 18]
  const p = latents.reshape([18, 2]).t().matmul(codes.t()).softmax(-1); // [2, 2^18]
  const entropy = (one: Tensor) =>
    one
      .mul(one.clamp({ min: 1e-5 }).log())
      .sum([-1])
      .neg()
      .mean()
      .item();
  const { losses } = quantizer.forward(latents);
  t.true(Math.abs(losses['perSampleEntropy']!.item() - entropy(p)) < 1e-9);
  t.true(Math.abs(losses['batchEntropy']!.item() - entropy(p.mean(0, true))) < 1e-9);
});

test('groups of bits: entropies are added up over the groups', (t) => {
  const grouped = new LFQ({ codebookSize: 32, entropyGroupSize: 3, invTemperature: 1 });
  const parts = [3, 2].map((bits) => new LFQ({ codebookSize: 2 ** bits, invTemperature: 1 }));
  const latents = z(5);
  const whole = grouped.forward(latents).losses;
  const each = latents.split([3, 2], 1).map((part, i) => parts[i]!.forward(part).losses);
  for (const name of ['perSampleEntropy', 'batchEntropy']) {
    const sum = each.reduce((total, one) => total + one[name]!.item(), 0);
    t.true(Math.abs(whole[name]!.item() - sum) < 1e-5, name);
  }
});

for (const [codes, config] of [
  ['2^36', { codebookSize: 2 ** 36 }],
  ['2^64', { codebookSize: 2 ** 64, bitOrder: 'leastSignificantFirst' }],
  ['2^3, if asked for', { codebookSize: 8, bitwise: true }],
  ['two of 2^40, of wider latents', { codebookSize: 2 ** 40, numCodebooks: 2, dim: 6 }],
] as const)
  test(`indices are bits: ${codes} codes`, (t) => {
    const quantizer = new LFQ(config);
    const latents = z(quantizer.latentDim).requiresGrad_();
    const { quantized, loss, indices } = quantizer.forward(latents);
    const width = quantizer.codeBits * quantizer.config.numCodebooks;
    t.deepEqual(indices.shape, [2, 3, 2, width]);
    if (!('dim' in config))
      t.deepEqual(indices.tolist(), latents.gt(0).long().permute([0, 2, 3, 1]).tolist());
    t.deepEqual([quantizer.nEmbed, quantizer.reEmbed], [2, 2]);
    t.deepEqual(quantizer.codebook.tolist(), [[-1], [1]]);
    t.true(torch.allclose(quantizer.codes(indices), quantized, { atol: 1e-5 }));
    loss.backward();
    t.true(latents.grad!.isfinite().all().item());
    t.true(latents.grad!.abs().max().item() > 0);
  });

test('a first stage is trained on the loss with the weights of Open-MAGVIT2', (t) => {
  const quantizer = new LFQ({ codebookSize: 16, bitOrder: 'leastSignificantFirst', commitmentWeight: 3 });
  const ddconfig = { ...backbones.f16, ch: 32, chMult: [1, 1], zChannels: 4, resolution: 8 };
  const model = new VQGAN({ ddconfig, quantizer });
  const images = torch.rand([1, 3, 8, 8]);
  const out = quantizer.forward(model.encodeToPrequant(images));
  const [entropies, commitment] = [out.loss.item(), out.losses['commitment']!.item()];
  t.true(Math.abs(model.encode(images).loss.item() - (0.1 * entropies + 3 * commitment)) < 1e-5);
  t.true(Math.abs(quantizer.weighted(out, 4).item() - (0.4 * entropies + 3 * commitment)) < 1e-5);
});

test('bits pass through a first stage and back', (t) => {
  const ddconfig = { ...backbones.f16, ch: 32, chMult: [1, 1], zChannels: 4, resolution: 8 };
  const model = new VQGAN({ ddconfig, quantizer: new LFQ({ dim: 40 }) }).eval();
  const { indices } = torch.noGrad(() => model.forward(torch.rand([1, 3, 8, 8])));
  t.deepEqual(indices.shape, [1, 4, 4, 40]);
  t.deepEqual(model.decodeIndices(indices).shape, [1, 3, 8, 8]);
});

test('the gradient of another activation reaches the latents', (t) => {
  const straightThroughActivation = (x: Tensor) => x.mul(3);
  const quantizer = new LFQ({ codebookSize: 4, entropyLossWeight: 0, straightThroughActivation });
  const latents = z(2).requiresGrad_();
  quantizer.forward(latents).quantized.sum().backward();
  t.true(latents.grad!.eq(3).all().item());
});

test('published keys; a state dict may lack only the constant one', (t) => {
  const quantizer = new LFQ({ codebookSize: 16, dim: 3, orthogonalRotation: true });
  const state = quantizer.stateDict();
  const layers = ['project_in', 'project_out'].flatMap((name) => [`${name}.weight`, `${name}.bias`]);
  t.deepEqual([...state.keys()].sort(), ['mask', 'orthogonal_rot', ...layers].sort());
  const without = (key: string) => new Map([...state].filter(([name]) => name !== key));
  t.deepEqual(quantizer.loadStateDict(without('mask')), { missing: [], unexpected: [] });
  t.deepEqual(quantizer.mask.tolist(), [8, 4, 2, 1]);
  t.throws(() => quantizer.loadStateDict(without('orthogonal_rot')), { message: /orthogonal_rot/ });
  t.deepEqual([...new LFQ({ dim: 4, bitOrder: 'leastSignificantFirst' }).stateDict().keys()], []);
});

const foreign = 'leave one of the two out';
const mistakes: [string, LFQConfig, RegExp][] = [
  ['no size', {}, /codebookSize is missing; it must be a power of two from 2, or dim be given/],
  ['another size than a power of two', { codebookSize: 12 }, /a power of two from 2, got 12/],
  ['indices of too many codes', { codebookSize: 2 ** 31, bitwise: false }, /2\^31 codes.*leave bitwise out/],
  [
    'parts of another width',
    { codebookSize: 16, bitOrder: 'leastSignificantFirst', factorizedBits: [2, 3] },
    /add up to 5.*4 bits/,
  ],
  [
    'parts without widths',
    { codebookSize: 16, bitOrder: 'leastSignificantFirst', tokenFactorization: true },
    /needs factorizedBits/,
  ],
  [
    "Open-MAGVIT2's setting",
    { codebookSize: 16, factorizedBits: [2, 2] },
    RegExp(`factorizedBits belongs.*${foreign}`),
  ],
  [
    "lucidrains' setting",
    { codebookSize: 16, bitOrder: 'leastSignificantFirst', diversityGamma: 2 },
    RegExp(`diversityGamma belongs.*${foreign}`),
  ],
  [
    'a bound below the codes',
    { codebookSize: 16, softClampInputValue: 0.5 },
    /softClampInputValue is 0.5.*at least codebookScale/,
  ],
  ['cosines without a map', { codebookSize: 16, cosineSimProjectIn: true }, /needs a dim other than 4/],
  [
    'an unknown activation',
    { codebookSize: 16, straightThroughActivation: 'sine' as 'tanh' },
    /a function or one of identity, tanh/,
  ],
];
for (const [name, config, message] of mistakes)
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => new LFQ(config), { any: true }) as Error;
    t.regex(error.message, message);
  });

test('refused: indices in another form, and parts of what has none', (t) => {
  const zeros = (shape: number[]) => torch.zeros(shape, { dtype: 'int64' });
  const quantizer = new LFQ({ codebookSize: 16 });
  t.throws(() => quantizer.codes(zeros([1, 2, 2, 4])), { message: /LFQ has codes of indices \[B, h, w\]/ });
  t.throws(() => new LFQ({ dim: 36 }).codes(zeros([1, 2, 2])), { message: /\[B, h, w, 36\]/ });
  t.throws(() => quantizer.codes(torch.zeros([1, 2, 2])), { message: /int64/ });
  t.throws(() => quantizer.factorizedIndices(zeros([1, 2, 2])), { message: /factorizedBits is missing/ });
});
