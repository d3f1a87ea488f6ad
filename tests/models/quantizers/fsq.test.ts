/** Finite scalar quantization, against recorded values and by its own laws. */
import test from 'ava';
import { FSQ, type FSQConfig } from '../../../src/models/quantizers/fsq.js';
import * as torch from '../../../src/torch/index.js';
import { checkZooCase, zooCases } from '../../golden/zoo.js';

for (const each of await zooCases('fsq'))
  test(`as recorded from the published implementation: ${each.name}`, (t) => {
    checkZooCase(
      t,
      each,
      (options) => new FSQ(options as FSQConfig),
      ({ quantizer, data, out }) => [
        ...data.maybe('levelIndices', () => quantizer.levelIndices(out.indices)),
        ...data.maybe('implicitCodebook', () => quantizer.implicitCodebook),
      ],
    );
  });

test('every code is the code of its index', (t) => {
  const quantizer = new FSQ({ levels: [4, 3, 5] });
  const all = torch.arange(60, { dtype: 'int64' }).reshape([1, 6, 10]);
  const codes = quantizer.codes(all);
  t.is(quantizer.nEmbed, 60);
  t.deepEqual(quantizer.codebook.tolist(), codes.reshape([3, 60]).t().tolist());
  // Codes lie inside the bounds of tanh: scaled back, they are quantized to themselves.
  const symmetric = new FSQ({ levels: [4, 3, 5], preserveSymmetry: true, boundHardClamp: true });
  t.deepEqual(symmetric.forward(symmetric.codes(all)).indices.tolist(), all.tolist());
});

const mistakes: [string, FSQConfig, RegExp][] = [
  ['no levels', { levels: [] }, /levels must be a list of integers from 2, got \[\]/],
  ['a single level', { levels: [5, 1] }, /levels must be a list of integers from 2/],
  ['two levels without symmetry', { levels: [2, 3] }, /2 levels need preserveSymmetry: true/],
  ['more codes than indices', { levels: Array<number>(12).fill(8) }, /1 to 2\^31 − 1 codes/],
];
for (const [name, config, message] of mistakes)
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => new FSQ(config), { any: true }) as Error;
    t.regex(error.message, message);
  });

test('indices of another number of codebooks are refused', (t) => {
  const quantizer = new FSQ({ levels: [4, 3], numCodebooks: 2 });
  t.throws(() => quantizer.codes(torch.zeros([1, 2, 2], { dtype: 'int64' })), { message: /\[B, h, w, 2\]/ });
  t.throws(() => new FSQ({ levels: [4, 3] }).codes(torch.zeros([1, 2, 2, 2], { dtype: 'int64' })), {
    message: /\[B, h, w\]/,
  });
});

const wide: [string, boolean][] = [
  ['symmetric levels', true],
  ['other levels', false],
];
for (const [name, preserveSymmetry] of wide)
  test(`a model in bfloat16 counts more than 256 levels exactly: ${name}`, (t) => {
    const given = torch.randn([4, 2, 8, 8]);
    const make = () => new FSQ({ levels: [301, 403], preserveSymmetry });
    const [whole, half] = [make(), make().to('bfloat16')];
    const { indices } = whole.forward(given);
    t.deepEqual(half.forward(given).indices.tolist(), indices.tolist());
    t.deepEqual(half.levelIndices(indices).tolist(), whole.levelIndices(indices).tolist());
    t.is(half.codes(indices).dtype, 'bfloat16');
    t.deepEqual(half.codes(indices).tolist(), whole.codes(indices).to('bfloat16').tolist());
    t.deepEqual(half.implicitCodebook.dtype, 'bfloat16');
  });
