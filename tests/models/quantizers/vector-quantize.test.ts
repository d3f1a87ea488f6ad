/** A codebook with lucidrains' options, against recorded values and by its own laws. */
import test from 'ava';
import { VectorQuantize, type VectorQuantizeConfig } from '../../../src/models/quantizers/vector-quantize.js';
import * as torch from '../../../src/torch/index.js';
import { checkZooCase, zooCases } from '../../golden/zoo.js';

for (const each of await zooCases('vector-quantize'))
  test(`as recorded from the published implementation: ${each.name}`, (t) => {
    checkZooCase(t, each, (options) => new VectorQuantize(options as unknown as VectorQuantizeConfig));
  });

const sizes = { nEmbed: 6, embedDim: 4 };
const latents = (seed: number, batch = 2) => {
  torch.manualSeed(seed);
  return torch.randn([batch, 4, 3, 3]);
};
const stateOf = (quantizer: VectorQuantize) =>
  [...quantizer.stateDict()].map(([key, tensor]) => [key, tensor.tolist()]);

test('codes move in training only, and their averages with them', (t) => {
  const quantizer = new VectorQuantize(sizes).eval();
  const before = stateOf(quantizer);
  quantizer.forward(latents(1));
  t.deepEqual(stateOf(quantizer), before);
  quantizer.train().forward(latents(1));
  t.notDeepEqual(stateOf(quantizer), before);
});

for (const more of [
  {},
  { thresholdEmaDeadCode: 1.5 },
  { heads: 2, codebookDim: 2, separateCodebookPerHead: true },
])
  test(`what stays still moves once, as by the joint batch: ${JSON.stringify(more)}`, (t) => {
    const make = () => {
      torch.manualSeed(2);
      return new VectorQuantize({ ...sizes, ...more }).double();
    };
    const [parts, whole] = [make(), make()];
    const z = latents(3).double();
    const before = stateOf(parts);
    const move = parts.still(() => {
      for (const part of z.split(1)) parts.forward(part);
    });
    t.deepEqual(stateOf(parts), before, 'no code moves before');
    torch.manualSeed(4);
    move();
    torch.manualSeed(4);
    whole.forward(z);
    t.deepEqual(stateOf(parts), stateOf(whole));
  });

test('k-means: the first training batch gives the codes, each the mean of the latents nearest to it', (t) => {
  // Six clusters around the corners of an octahedron, far apart; a start in each, so that the means are known.
  const corners = torch.cat([torch.eye(3), torch.eye(3).neg()]).mul(8);
  const points = torch.cat([corners, corners.add(0.5), corners.sub(0.25)]); // [18, 3]
  const z = points.t().reshape([1, 3, 3, 6]);
  const draws = { randperm: (count: number) => torch.arange(count, { dtype: 'int64' }) };
  const quantizer = new VectorQuantize({ nEmbed: 6, embedDim: 3, kmeansInit: true, decay: 1, draws });
  t.is(Number(quantizer.embedding.initted.item()), 0);
  quantizer.eval().forward(z);
  t.is(Number(quantizer.embedding.initted.item()), 0, 'not in evaluation');
  quantizer.train().forward(z);
  const { weight, clusterSize, embedAvg, initted } = quantizer.embedding;
  t.is(Number(initted.item()), 1);
  const expected = corners.add(0.25 / 3);
  t.true(weight.select(0, 0).allclose(expected, 1e-4, 1e-5));
  t.deepEqual(clusterSize.tolist(), [[3, 3, 3, 3, 3, 3]]);
  t.true(embedAvg.select(0, 0).allclose(expected.mul(3), 1e-4, 1e-5));
  quantizer.forward(z.mul(2));
  t.true(weight.select(0, 0).allclose(expected, 1e-4, 1e-5), 'once only: with decay 1 averages stay');
});

test('k-means: a loaded state decides whether the codes are made', (t) => {
  const quantizer = new VectorQuantize({ ...sizes, kmeansInit: true, kmeansIters: 1, decay: 1 });
  quantizer.forward(latents(5));
  const state = new Map([...quantizer.stateDict()].map(([key, tensor]) => [key, tensor.clone()]));
  const codes = quantizer.embedding.weight.detach().clone();
  const other = new VectorQuantize({ ...sizes, kmeansInit: true, decay: 1 });
  other.loadStateDict(state);
  other.forward(latents(6));
  t.true(other.embedding.weight.allclose(codes, 1e-4, 1e-5));
});

test('a code that dies is moved to a latent, and is not dead then', (t) => {
  const quantizer = new VectorQuantize({ ...sizes, thresholdEmaDeadCode: 2, decay: 0 });
  const z = latents(7);
  const { indices } = quantizer.forward(z);
  const counts = indices.flatten().bincount(null, 6).tolist() as number[];
  const dead = counts.flatMap((count, code) => (count < 2 ? [code] : []));
  t.true(dead.length > 0 && dead.length < 6);
  const points = (z.permute([0, 2, 3, 1]).reshape([-1, 4]).tolist() as number[][]).map(String);
  const codes = quantizer.codebook.tolist() as number[][];
  for (const code of dead) t.true(points.includes(String(codes[code])));
  t.true(Number(quantizer.embedding.clusterSize.min().item()) >= 2);
});

test('codes are moved by hand with their averages; with several heads they are not', (t) => {
  const quantizer = new VectorQuantize({
    ...sizes,
    codebookDim: 2,
    useCosineSim: true,
    thresholdEmaDeadCode: 3,
  });
  const point = torch.randn([1, 4]);
  quantizer.revive!(torch.tensor([2n]), point);
  t.deepEqual(quantizer.choose(point).tolist(), [2]);
  const { weight, embedAvg, clusterSize } = quantizer.embedding;
  t.is(Number(clusterSize.select(1, 2).item()), 3);
  t.true(embedAvg.select(1, 2).allclose(weight.select(1, 2).mul(3)));
  t.is(new VectorQuantize({ ...sizes, heads: 2, codebookDim: 2 }).revive, undefined);
});

test('every head has codes of its own, or all share them', (t) => {
  for (const separateCodebookPerHead of [true, false]) {
    const quantizer = new VectorQuantize({ ...sizes, heads: 2, codebookDim: 2, separateCodebookPerHead });
    t.deepEqual(quantizer.embedding.weight.shape, [separateCodebookPerHead ? 2 : 1, 6, 2]);
    const z = latents(8);
    const { quantized, indices } = quantizer.eval().forward(z);
    t.deepEqual(quantizer.indices(z).tolist(), indices.tolist());
    t.deepEqual(quantizer.codes(indices).tolist(), quantized.tolist());
    t.throws(() => quantizer.codes(indices.select(3, 0)), { message: /\[B, h, w, 2\]/ });
  }
});

test('indices count among the codes in use', (t) => {
  const quantizer = new VectorQuantize({ ...sizes, remap: [1, 4] }).eval();
  const z = latents(9);
  const chosen = quantizer.indices(z);
  const distance = (indices: torch.Tensor) => quantizer.codes(indices).sub(z).square().sum([1]);
  t.is(
    Number(
      distance(chosen)
        .le(distance(chosen.neg().add(1)))
        .all()
        .item(),
    ),
    1,
  );
});

test('half precision is measured in float32', (t) => {
  const quantizer = new VectorQuantize(sizes).to('bfloat16').eval();
  const { quantized, loss } = quantizer.forward(latents(1).to('bfloat16'));
  t.deepEqual([quantized.dtype, loss.dtype], ['bfloat16', 'float32']);
});

test('only codes that gradients reach are trained', (t) => {
  const trained = (more: object) => new VectorQuantize({ ...sizes, ...more }).trained().length;
  t.is(trained({}), 0);
  t.is(trained({ learnableCodebook: true }), 1);
  t.is(trained({ orthogonalRegWeight: 1 }), 1);
  t.is(trained({ directionalReparam: true, thresholdEmaDeadCode: 1 }), 1);
  t.is(trained({ codebookDim: 2 }), 4, 'the linear maps');
});

const mistakes: [string, object, RegExp][] = [
  [
    'averages of trained codes',
    { learnableCodebook: true, emaUpdate: true },
    /with learnableCodebook codes are trained/,
  ],
  ['directed steps without replacement', { directionalReparam: true }, /thresholdEmaDeadCode above 0/],
  [
    'a larger gradient without trained codes',
    { syncUpdateV: 0.2 },
    /syncUpdateV is 0.2, which needs learnableCodebook/,
  ],
  [
    'remapped heads',
    { heads: 2, codebookDim: 2, remap: [1] },
    /remap counts the codes of one head, but heads is 2/,
  ],
  [
    'active codes of several codebooks',
    { heads: 2, separateCodebookPerHead: true, orthogonalRegActiveCodesOnly: true },
    /needs one codebook/,
  ],
  ['draws that are not functions', { draws: { randperm: 3 } }, /draws must be an object of functions/],
];
for (const [name, more, message] of mistakes)
  test(`refused: ${name}`, (t) => {
    t.throws(() => new VectorQuantize({ ...sizes, ...more }), { instanceOf: TypeError, message });
  });

/** Puts back what a step changed, as a run does that skips it. */
const putBack = (quantizer: VectorQuantize, before: Map<string, torch.Tensor>) =>
  torch.noGrad(() => quantizer.stateDict().forEach((tensor, key) => void tensor.copy_(before.get(key)!)));

for (const [name, step] of [
  ['of one forward', (of: VectorQuantize, z: torch.Tensor) => void of.forward(z)],
  [
    'of several forwards',
    (of: VectorQuantize, z: torch.Tensor) =>
      of.still(() => {
        of.forward(z);
        of.forward(z);
      })(),
  ],
] as const)
  test(`k-means is done again if the step that did it was put back: ${name}`, (t) => {
    const make = () => {
      torch.manualSeed(5);
      return new VectorQuantize({ ...sizes, kmeansInit: true });
    };
    const [skipping, plain] = [make(), make()];
    const before = new Map([...skipping.stateDict()].map(([key, tensor]) => [key, tensor.clone()]));
    step(skipping, latents(6));
    putBack(skipping, before);
    for (const one of [skipping, plain]) step(one, latents(7));
    t.true(skipping.embedding.initted.item());
    t.deepEqual(stateOf(skipping), stateOf(plain));
  });

test('state dicts in which initted is [1] can be loaded, as most versions wrote them', (t) => {
  const state = new VectorQuantize(sizes).stateDict();
  for (const [value, expected] of [
    [1, true],
    [0, false],
  ] as const) {
    const quantizer = new VectorQuantize({ ...sizes, kmeansInit: true });
    quantizer.loadStateDict(new Map([...state, ['_codebook.initted', torch.tensor([value])]]));
    t.is(Boolean(quantizer.embedding.initted.item()), expected);
  }
});
