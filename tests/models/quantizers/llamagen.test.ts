/** The options of LlamaGen's quantizer, against recorded values and by their own laws. */
import test from 'ava';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import { VectorQuantizer, type VectorQuantizerConfig } from '../../../src/models/quantizers/vector.js';
import * as torch from '../../../src/torch/index.js';
import { BOUND, checkZooCase, zooCases } from '../../golden/zoo.js';
import { compareNumber } from '../../golden/data.js';

for (const each of await zooCases('llamagen'))
  test(`as recorded from the published implementation: ${each.name}`, (t) => {
    const usage = each.given['usage'] as number[];
    checkZooCase(
      t,
      each,
      (options) => new VectorQuantizer(options as unknown as VectorQuantizerConfig),
      ({ quantizer, data, prefix }) => {
        const step = /^step(\d+)/.exec(prefix)?.[1];
        return [
          ...(step ? [compareNumber(`${prefix}usage`, quantizer.usage, usage[Number(step)]!, BOUND)] : []),
          ...data.maybe(`${prefix}window`, () => quantizer.codebookUsed ?? undefined),
        ];
      },
    );
  });

const z = torch.keep(torch.randn([2, 4, 3, 3]));
const sizes = { nEmbed: 8, embedDim: 4 };

const options: [string, VectorQuantizerConfig][] = [
  ['l2Norm', { ...sizes, l2Norm: true }],
  ['entropyLossRatio', { ...sizes, entropyLossRatio: 0 }],
  ['showUsage', { ...sizes, showUsage: true }],
  ['entropyLossRatio without l2Norm', { ...sizes, entropyLossRatio: 0, l2Norm: false }],
  ['usageWindow', { ...sizes, usageWindow: 8 }],
];
for (const [name, config] of options)
  test(`${name}: legacy may be left out, indices are a grid, the terms are told`, (t) => {
    const quantizer = new VectorQuantizer(config);
    const { indices, losses, loss } = quantizer.forward(z);
    t.deepEqual(indices.shape, [2, 3, 3]);
    t.deepEqual(Object.keys(losses!), ['commitment', 'codebook', 'entropy']);
    t.true(Number(loss.item()) > 0);
    t.is(Number(quantizer.eval().forward(z).loss.item()), 0, 'no loss in evaluation');
  });

test('without these options legacy is required, also in a configuration', (t) => {
  t.throws(() => new VectorQuantizer(sizes as never), { message: /legacy is missing/ });
  for (const off of ['l2Norm', 'showUsage'])
    t.throws(() => new VectorQuantizer({ ...sizes, [off]: false } as never), {
      message: /legacy is missing/,
    });
  const params = { n_embed: 8, embed_dim: 4 };
  const target = 'tessera.quantizers.Vector';
  t.throws(() => modelFromConfig({ target, params }), { message: /params\.legacy is missing/ });
  const made = modelFromConfig({ target, params: { ...params, l2_norm: true } });
  t.true(made instanceof VectorQuantizer);
});

test('options that are off change nothing', (t) => {
  const plain = new VectorQuantizer({ ...sizes, legacy: true });
  const off = new VectorQuantizer({ ...sizes, legacy: true, l2Norm: false, showUsage: false });
  off.loadStateDict(plain.stateDict());
  const [want, got] = [plain, off].map((one) => one.eval().forward(z));
  t.deepEqual(got!.indices.shape, [18]);
  t.is(got!.loss.item(), want!.loss.item());
});

test('the window keeps the last indices, also of more than it holds', (t) => {
  const quantizer = new VectorQuantizer({ ...sizes, showUsage: true, usageWindow: 5 });
  const { indices } = quantizer.forward(z);
  const all = indices.flatten().tolist() as number[];
  t.deepEqual(quantizer.codebookUsed!.tolist(), all.slice(-5));
  t.is(Math.round(quantizer.usage * 8), new Set(all.slice(-5)).size);
  quantizer.eval().forward(z.neg());
  t.deepEqual(quantizer.codebookUsed!.tolist(), all.slice(-5), 'not in evaluation');
});

test('a state dict without a window leaves it as it is', (t) => {
  const quantizer = new VectorQuantizer({ ...sizes, showUsage: true, usageWindow: 5 });
  quantizer.forward(z);
  const window = quantizer.codebookUsed!.tolist();
  const weight = torch.randn([8, 4]);
  quantizer.loadStateDict(new Map([['embedding.weight', weight]]));
  t.deepEqual(quantizer.codebookUsed!.tolist(), window);
  t.deepEqual(quantizer.embedding.weight.tolist(), weight.tolist());
  t.deepEqual([...quantizer.stateDict().keys()], ['codebook_used', 'embedding.weight']);
});

test('l2Norm contradicts a lookup by dot product', (t) => {
  t.throws(() => new VectorQuantizer({ ...sizes, l2Norm: true, lookup: 'dot' }), {
    message: /l2Norm chooses codes by "cosine", but lookup is "dot"/,
  });
});
