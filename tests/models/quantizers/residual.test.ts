/** Quantizers in turn, against recorded values and by their own laws. */
import test from 'ava';
import { quantizers } from '../../../src/models/quantizers/index.js';
import type { ResidualQuantizer } from '../../../src/models/quantizers/residual.js';
import { ResidualFSQ, type ResidualFSQConfig } from '../../../src/models/quantizers/residual-fsq.js';
import { ResidualVQ, type ResidualVQConfig } from '../../../src/models/quantizers/residual-vq.js';
import * as torch from '../../../src/torch/index.js';
import { checkZooCase, zooCases } from '../../golden/zoo.js';

/** Draws of the last quantizer in turn, from the listing of a case. */
function lastActive(draws: unknown): object {
  const drawn = ((draws ?? []) as [number, string, number][]).filter(
    ([, name]) => name === 'lastActiveQuantizer',
  );
  return drawn.length > 0 ? { lastActiveQuantizer: () => drawn.shift()![2] } : {};
}

for (const each of await zooCases('residual'))
  test(`as recorded from the published implementation: ${each.name}`, (t) => {
    const { Class } = quantizers[each.given.class]!;
    const Make = Class as unknown as new (config: object) => ResidualQuantizer;
    const last = lastActive(each.given['draws']);
    checkZooCase(
      t,
      each,
      (options) => new Make({ ...options, draws: { ...(options['draws'] as object), ...last } }),
      ({ quantizer, data, prefix, out }) => [
        ...data.maybe(`${prefix}losses`, () => out.losses as torch.Tensor),
        ...(prefix === 'eval.'
          ? data.maybe('codesByQuantizer', () => quantizer.codesByQuantizer(out.indices))
          : []),
      ],
    );
  });

const settings = { dim: 4, codebookSize: 8, numQuantizers: 3 };
const latents = (batch = 2) => torch.randn([batch, 4, 3, 3], { dtype: 'float64' });
const stateOf = (quantizer: ResidualVQ) =>
  [...quantizer.stateDict()].map(([key, tensor]) => [key, tensor.tolist()]);

test('codes of fewer quantizers are those of all with −1 for the rest', (t) => {
  const quantizer = new ResidualVQ(settings).double().eval();
  const { indices } = quantizer.forward(latents());
  const coarse = indices.narrow(3, 0, 2);
  const filled = torch.cat([coarse, torch.fullLike(coarse.narrow(3, 0, 1), -1)], 3);
  t.deepEqual(quantizer.codes(filled).tolist(), quantizer.codes(coarse).tolist());
  t.deepEqual(quantizer.codesByQuantizer(filled).select(0, 2).abs().max().item(), 0);
  t.throws(() => quantizer.codes(torch.zeros([1, 2, 2, 4], { dtype: 'int64' })), {
    message: /of 1 to 3 quantizers/,
  });
});

test('each rounding in turn leaves less over of what the bounds keep', (t) => {
  const levels = [5, 5, 3, 4];
  const z = latents();
  const bounds = torch.tensor(levels.map((one) => 1 + 1 / (one - 1))).view([4, 1, 1]);
  const kept = z.div(bounds).tanh().mul(bounds);
  const left = [1, 2, 3].map((numQuantizers) => {
    const quantizer = new ResidualFSQ({ levels, numQuantizers }).double().eval();
    return Number(quantizer.forward(z).quantized.sub(kept).square().mean().item());
  });
  t.true(left[0]! > 4 * left[1]! && left[1]! > 4 * left[2]!, String(left));
});

for (const more of [{}, { sharedCodebook: true }])
  test(`what stays still moves once, as by the joint batch: ${JSON.stringify(more)}`, (t) => {
    const make = () => {
      torch.manualSeed(2);
      return new ResidualVQ({ ...settings, ...more }).double();
    };
    const [parts, whole] = [make(), make()];
    const z = latents(1);
    const before = stateOf(parts);
    const move = parts.still(() => void parts.forward(z));
    t.deepEqual(stateOf(parts), before, 'no code moves before');
    t.deepEqual(parts.indices(z).tolist(), parts.eval().forward(z).indices.tolist());
    parts.train();
    move();
    whole.forward(z);
    t.notDeepEqual(stateOf(parts), before);
    t.deepEqual(stateOf(parts), stateOf(whole));
  });

test('layers are left out of training only, from the cutoff on, by multiples', (t) => {
  const quantizer = new ResidualVQ({
    ...settings,
    numQuantizers: 6,
    quantizeDropout: true,
    quantizeDropoutCutoffIndex: 2,
    quantizeDropoutMultipleOf: 2,
  });
  torch.manualSeed(1);
  const last = Array.from({ length: 60 }, () => quantizer.lastActive());
  t.deepEqual(new Set(last), new Set([3, 5]));
  t.is(quantizer.eval().lastActive(), 5);
});

test('layers that share a codebook have it under the keys of each, and it is trained once', (t) => {
  const shared = new ResidualVQ({ ...settings, sharedCodebook: true, learnableCodebook: true });
  t.is(shared.trained().length, 1);
  t.is([...shared.stateDict().keys()].filter((key) => key.endsWith('.embed')).length, 3);
  t.is(new ResidualVQ({ ...settings, learnableCodebook: true }).trained().length, 3);
});

const mistakes: [string, ResidualVQConfig, RegExp][] = [
  ['no number of quantizers', { dim: 4, codebookSize: 8 }, /numQuantizers is missing/],
  [
    'another number of sizes',
    { dim: 4, codebookSize: [8, 4], numQuantizers: 3 },
    /lists 2 sizes, but numQuantizers is 3/,
  ],
  ['a shared codebook of several sizes', { dim: 4, codebookSize: [8, 4], sharedCodebook: true }, /one size/],
  ['an empty list of sizes', { dim: 4, codebookSize: [] }, /a positive integer, or a list of them/],
];
for (const [name, config, message] of mistakes)
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => new ResidualVQ(config), { any: true }) as Error;
    t.regex(error.message, message);
  });

test('refused: groups that do not divide the channels, and bounds of other channels', (t) => {
  const { Class } = quantizers['GroupedResidualVQ']!;
  t.throws(() => new Class({ ...settings, groups: 3 } as never), { message: /4 is not a multiple of 3/ });
  t.throws(() => new ResidualFSQ({ levels: [3, 3], numQuantizers: 1, softClampInputValue: [1, 1, 1] }), {
    message: /lists 3 bounds for 2 channels/,
  });
});

const bounded: [string, Partial<ResidualFSQConfig>][] = [
  ['by default', {}],
  ['one for all', { softClampInputValue: 1.3 }],
  ['one for each channel', { softClampInputValue: [1.3, 2.7] }],
];
for (const [name, more] of bounded)
  test(`ResidualFSQ in bfloat16 keeps the bounds and levels that were given: ${name}`, (t) => {
    const given = torch.randn([2, 2, 8, 8]);
    const make = () => new ResidualFSQ({ levels: [301, 7], numQuantizers: 2, ...more });
    const [whole, half] = [make(), make().to('bfloat16')].map((one) => one.eval().forward(given));
    t.deepEqual(half!.indices.tolist(), whole!.indices.tolist());
    t.deepEqual(half!.quantized.tolist(), whole!.quantized.tolist());
  });
