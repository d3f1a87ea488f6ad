/** Binary spherical quantization, against recorded values and by its own laws. */
import test from 'ava';
import { VQGAN } from '../../../src/models/autoencoder/any-quantizer.js';
import { backbones } from '../../../src/models/autoencoder/blocks.js';
import { BSQ, type BSQConfig } from '../../../src/models/quantizers/bsq.js';
import * as torch from '../../../src/torch/index.js';
import { checkZooCase, zooCases } from '../../golden/zoo.js';

for (const each of await zooCases('bsq'))
  test(`as recorded from the published implementation: ${each.name}`, (t) => {
    checkZooCase(
      t,
      each,
      (options) => new BSQ({ embedDim: 0, ...options }),
      ({ quantizer, data, prefix, out }) => [
        ...data.maybe(`${prefix}normalized`, () => quantizer.normalized(data.need('z'))),
        ...data.maybe(`${prefix}groupIndices`, () => quantizer.groupIndices(out.indices)),
        ...data.maybe(`${prefix}averageProbabilities`, () => quantizer.averageProbabilities(data.need('z'))),
        ...data.maybe(`${prefix}usedCodes`, () => quantizer.usedCodes(out.indices)),
      ],
    );
  });

test('every code is the code of its index, and of those of its groups', (t) => {
  const quantizer = new BSQ({ embedDim: 6, groupSize: 2, l2Norm: true });
  const all = torch.arange(64, { dtype: 'int64' }).reshape([1, 8, 8]);
  const codes = quantizer.codes(all);
  t.deepEqual(quantizer.codebook.tolist(), codes.reshape([6, 64]).t().tolist());
  t.deepEqual(quantizer.forward(codes).indices.tolist(), all.tolist());
  t.deepEqual(quantizer.indices(codes).tolist(), all.tolist());
  t.deepEqual(quantizer.codesOfGroups(quantizer.groupIndices(all)).tolist(), codes.tolist());
  t.true(torch.allclose(codes.square().sum([1]), torch.ones([1, 8, 8])), 'of length 1');
});

for (const [name, config] of [
  ['groups', { groupSize: 9 }],
  ['single bits', { groupSize: 36, persampleEntropyCompute: 'analytical' }],
  ['chosen codes', { groupSize: 36, softEntropy: false }],
] as const)
  test(`indices of 36 bits are bits, with the entropies of ${name}`, (t) => {
    const quantizer = new BSQ({ embedDim: 36, l2Norm: true, ...config });
    torch.manualSeed(1);
    const z = torch.randn([2, 36, 3, 2]).requiresGrad_();
    const { quantized, loss, indices } = quantizer.forward(z);
    t.deepEqual(indices.tolist(), z.gt(0).long().permute([0, 2, 3, 1]).tolist());
    t.true(torch.allclose(quantizer.codes(indices), quantized));
    t.deepEqual([quantizer.nEmbed, quantizer.codebook.shape], [2, [2, 1]]);
    t.deepEqual(quantizer.usedCodes(indices).shape, [12, 36]);
    t.deepEqual(quantizer.groupIndices(indices).shape, [2, 3, 2, 36 / config.groupSize]);
    loss.backward();
    t.true(z.grad!.isfinite().all().item());
    t.true(z.grad!.abs().max().item() > 0);
  });

test('by default, latents are scaled to length 1 if codes are', (t) => {
  const z = torch.full([1, 4, 1, 1], 3);
  const scaled = (l2Norm: boolean) =>
    new BSQ({ embedDim: 4, groupSize: 2, l2Norm }).normalized(z).flatten().tolist();
  t.deepEqual([scaled(true), scaled(false)], [Array(4).fill(0.5), Array(4).fill(3)]);
});

test('published keys, which a state dict may lack because they are constant', (t) => {
  const quantizer = new BSQ({ embedDim: 4, groupSize: 2 });
  t.deepEqual([...quantizer.stateDict().keys()], ['basis', 'group_basis']);
  t.deepEqual(quantizer.basis.tolist(), [8, 4, 2, 1]);
  t.deepEqual(quantizer.groupBasis.tolist(), [2, 1]);
  t.deepEqual(quantizer.loadStateDict(new Map()), { missing: [], unexpected: [] });
});

test('36 bits pass through a first stage and back', (t) => {
  const ddconfig = { ...backbones.f16, ch: 32, chMult: [1, 1], zChannels: 4, resolution: 8 };
  const model = new VQGAN({ ddconfig, quantizer: new BSQ({ embedDim: 36, l2Norm: true }) }).eval();
  const { indices } = torch.noGrad(() => model.forward(torch.rand([1, 3, 8, 8])));
  t.deepEqual(indices.shape, [1, 4, 4, 36]);
  t.deepEqual(model.decodeIndices(indices).shape, [1, 3, 8, 8]);
});

const mistakes: [string, BSQConfig, RegExp][] = [
  ['groups that do not divide', { embedDim: 16 }, /9 does not divide 16, such as 8 does/],
  ['groups of too many codes', { embedDim: 36, groupSize: 36 }, /2\^36 codes.*at most 24, or.*analytical/],
  ['indices of too many codes', { embedDim: 36, bitwise: false }, /2\^36 codes.*leave bitwise out/],
];
for (const [name, config, message] of mistakes)
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => new BSQ(config), { any: true }) as Error;
    t.regex(error.message, message);
  });

test('refused: indices of another number of groups', (t) => {
  const quantizer = new BSQ({ embedDim: 6, groupSize: 2 });
  const indices = torch.zeros([1, 2, 2, 2], { dtype: 'int64' });
  t.throws(() => quantizer.codesOfGroups(indices), { message: /indices \[B, h, w, 3\] of groups/ });
});
