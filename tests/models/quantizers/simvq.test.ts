/** A frozen codebook behind a trained map, against recorded values and by its own laws. */
import test from 'ava';
import { SimVQ, type SimVQConfig } from '../../../src/models/quantizers/simvq.js';
import * as torch from '../../../src/torch/index.js';
import * as F from '../../../src/torch/nn/functional.js';
import * as nn from '../../../src/torch/nn/index.js';
import { checkZooCase, zooCases } from '../../golden/zoo.js';

/** Makes the module that a case names, such as `Linear(4,6), ReLU, Linear(6,4)`. */
const moduleOf = (text: string): nn.Sequential =>
  new nn.Sequential(
    ...[...text.matchAll(/ReLU|Linear\((\d+),(\d+)\)/g)].map(([, from, to]) =>
      from ? new nn.Linear(Number(from), Number(to)) : new nn.ReLU(),
    ),
  );

for (const each of await zooCases('simvq'))
  test(`as recorded from the published implementation: ${each.name}`, (t) => {
    checkZooCase(
      t,
      each,
      ({ codebookTransform, ...options }) =>
        new SimVQ({
          ...options,
          ...(typeof codebookTransform === 'string' && { codebookTransform: moduleOf(codebookTransform) }),
        }),
      ({ quantizer, data, out }) => [
        ...data.maybe('codebook', () => quantizer.codebook),
        // The original's own decoding forgets the map: it is what the frozen codes would give.
        ...data.maybe('codesPublished', () =>
          F.embedding(out.indices, quantizer.embedding!.weight).permute([0, 3, 1, 2]),
        ),
      ],
    );
  });

const mistakes: [string, SimVQConfig, RegExp][] = [
  ['no sizes', {}, /either dim and codebookSize .* or embedDim and nEmbed .*, got neither/],
  ['half of them', { dim: 4 }, /got dim$/],
  ['names of both', { dim: 4, codebookSize: 8, nEmbed: 8 }, /got dim, codebookSize, nEmbed/],
  [
    'a map that is not a module',
    { dim: 4, codebookSize: 8, codebookTransform: 'x' as never },
    /a module that maps/,
  ],
];
for (const [name, config, message] of mistakes)
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => new SimVQ(config), { any: true }) as Error;
    t.regex(error.message, message);
  });

test('a single latent moves all codes', (t) => {
  const quantizer = new SimVQ({ dim: 4, codebookSize: 8 });
  const before = quantizer.codebook.detach().clone();
  const { loss } = quantizer.forward(torch.randn([1, 4, 1, 1]));
  loss.backward();
  torch.noGrad(() => quantizer.trained().forEach((one) => one.sub_(one.grad!)));
  t.true(Number(quantizer.codebook.sub(before).abs().sum([1]).min().item()) > 0);
  t.false(quantizer.frozenCodebook!.requiresGrad);
});

test('both variants train the map only', (t) => {
  for (const quantizer of [new SimVQ({ dim: 4, codebookSize: 8 }), new SimVQ({ embedDim: 4, nEmbed: 8 })])
    t.deepEqual(quantizer.trained(), quantizer.transform.parameters());
});

test('indices count among the codes in use', (t) => {
  const quantizer = new SimVQ({ dim: 4, codebookSize: 8, remap: [2, 5] });
  const z = torch.randn([2, 4, 3, 3]);
  t.true(Number(quantizer.forward(z).indices.max().item()) < 2);
  const chosen = quantizer.indices(z);
  const near = quantizer.codes(chosen).sub(z).square().sum([1]);
  const other = quantizer.codes(chosen.neg().add(1)).sub(z).square().sum([1]);
  t.is(Number(near.le(other).all().item()), 1, 'the nearer one of the two');
});
