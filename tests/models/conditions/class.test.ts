import test from 'ava';
import { Labelator } from '../../../src/models/conditions/class.js';
import { logImages, sampleImages, sampleTokens } from '../../../src/sampling/images.js';
import { TokenSampler } from '../../../src/sampling/sampler.js';
import * as torch from '../../../src/torch/index.js';
import { classNet } from '../../sampling/first-stages.js';

const wrongLabels: Record<string, [torch.Tensor, RegExp]> = {
  'one beyond': [torch.tensor([10n]), /no class 10; the model has 10 classes, 0 to 9/],
  'far beyond': [torch.tensor([1000n]), /no class 1000;/],
  negative: [torch.tensor([-1n]), /no class -1;/],
  'one among good ones': [torch.tensor([0n, 9n, 12n, 3n]), /no class 12;/],
  'as a float': [torch.tensor([12]), /no class 12;/],
  'between two': [torch.tensor([2.5]), /no class 2\.5;/],
  'not a number': [torch.tensor([NaN]), /no class NaN;/],
  'as int32': [torch.tensor([3n, 11n], { dtype: 'int32' }), /no class 11;/],
};

for (const [what, [labels, message]] of Object.entries(wrongLabels)) {
  test(`a label that is no class is named, with the number of classes: ${what}`, (t) => {
    t.throws(() => new Labelator({ nClasses: 10 }).encode(labels), { instanceOf: RangeError, message });
  });
}

test('labels of classes become tokens', (t) => {
  const stage = new Labelator({ nClasses: 10 });
  for (const labels of [torch.tensor([0n, 9n]), torch.tensor([0, 9])]) {
    t.deepEqual(stage.encode(labels).indices.tolist(), [[0], [9]]);
  }
  t.deepEqual(stage.encode(torch.zeros([0], { dtype: 'int64' })).indices.shape, [0, 1]);
});

test('sampling refuses what is no class, however it is given', (t) => {
  const net = classNet('VQModel');
  const condition = torch.tensor([[12n]]);
  const wrong = { instanceOf: RangeError, message: /no class 12; the model has 12 classes/ };
  using sampler = new TokenSampler(net.transformer, { batch: 1 });
  const pictures = torch.randn([1, 3, 8, 8]);
  for (const run of [
    () => net.encodeToC(torch.tensor([12n])),
    () => net.forward(pictures, torch.tensor([12n])),
    () => sampleTokens(net, condition, 3),
    () => sampleTokens(net, condition, 3, { sampler }),
    () => sampleImages(net, condition, { grid: [4, 4] }),
    () => sampleImages(classNet('VQModel', { pkeep: 0 }), condition, { grid: [4, 4] }),
    () => logImages(net, pictures, torch.tensor([12n])),
  ]) {
    t.throws(run, wrong);
  }
});

test('a class is written by its name or its number', (t) => {
  const stage = new Labelator({ nClasses: 3 });
  const names = ['ash', 'elm', '0'];
  t.deepEqual(stage.parse('elm', names).tolist(), [1]);
  t.deepEqual(stage.parse('1', names).tolist(), [1]);
  t.deepEqual(stage.parse('0', names).tolist(), [2], 'names come first');
  t.deepEqual(stage.encode(stage.parse('2', [])).indices.tolist(), [[2]]);
  const unknown = (text: string, given: readonly string[], message: string) =>
    t.throws(() => stage.parse(text, given), { instanceOf: RangeError, message });
  unknown('esh', names, 'there is no such class; the nearest is "ash"');
  unknown('3', [], 'there is no such class; the classes are 0 to 2');
  unknown('-1', [], 'there is no such class; the classes are 0 to 2');
  t.is(stage.choices(names), '3 classes (ash, elm, 0)');
  t.is(stage.choices([]), '3 classes');
});
