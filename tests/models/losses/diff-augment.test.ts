import test from 'ava';
import {
  diffAugment,
  drawDiffAugment,
  type DiffAugmentDraws,
} from '../../../src/models/losses/diff-augment.js';
import * as torch from '../../../src/torch/index.js';
import { assertChecks } from '../../golden/assert.js';
import { zooCases } from '../../golden/zoo.js';

for (const { name, given, data } of await zooCases('gan')) {
  if (!name.startsWith('diffaug.')) continue;
  test(`as recorded from the published implementation: ${name}`, (t) => {
    torch.scope(() => {
      const recorded = data();
      const draws = Object.fromEntries(recorded.below('draw.')) as DiffAugmentDraws;
      const x = recorded.need('x').clone().requiresGrad_();
      const y = diffAugment(x, given['policy'] as string, { draws });
      y.square().mean().backward();
      assertChecks(t, [...recorded.is('y', y), ...recorded.is('grad.x', x.grad!)]);
      t.deepEqual(recorded.left, [], 'every recorded value is compared');
    });
  });
}

test('draws come from the default generator, one for each image, in the recorded ranges', (t) => {
  torch.scope(() => {
    const images = torch.zeros([2000, 1, 9, 16]);
    torch.manualSeed(5);
    const draws = drawDiffAugment(images, 'color,translation,cutout');
    const ends = (name: keyof DiffAugmentDraws) => [draws[name]!.min().item(), draws[name]!.max().item()];
    t.deepEqual(ends('translationX'), [-1, 1]);
    t.deepEqual(ends('translationY'), [-2, 2]);
    t.deepEqual(ends('cutoutOffsetX'), [0, 8]); // an odd rectangle of 5 rows
    t.deepEqual(ends('cutoutOffsetY'), [0, 16]);
    for (const name of ['brightness', 'saturation', 'contrast'] as const) {
      t.deepEqual(draws[name]!.shape, [2000, 1, 1, 1]);
      const [least, most] = ends(name) as [number, number];
      t.true(least >= 0 && least < 0.01 && most > 0.99 && most < 1);
    }
    const again = () => {
      torch.manualSeed(5);
      return diffAugment(images.add(1), 'color,cutout');
    };
    t.true(again().equal(again()));
    t.false(diffAugment(images.add(1), 'cutout').equal(diffAugment(images.add(1), 'cutout')));
  });
});

for (const [policy, message] of [
  ['colour', /the policy must be color, translation, cutout, or several of them.* got "colour"/],
  ['color,color', /got "color,color"/],
  ['', /got ""/],
] as const)
  test(`refused: the policy ${JSON.stringify(policy)}`, (t) => {
    t.throws(() => diffAugment(torch.zeros([1, 3, 8, 8]), policy), { instanceOf: RangeError, message });
  });

test('draws of another policy are refused', (t) => {
  const images = torch.zeros([1, 3, 8, 8]);
  const draws = drawDiffAugment(images, 'color');
  t.throws(() => diffAugment(images, 'cutout', { draws }), {
    instanceOf: TypeError,
    message: /the draws lack cutoutOffsetX, which the policy "cutout" needs/,
  });
});
