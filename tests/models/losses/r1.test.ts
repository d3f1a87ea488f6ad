/** R1 of the patch discriminator, and its schedule. The other discriminators have recorded values. */
import test from 'ava';
import {
  NLayerDiscriminator,
  type NLayerDiscriminatorConfig,
} from '../../../src/models/discriminators/n-layer.js';
import { r1, R1Penalty } from '../../../src/models/losses/r1.js';
import * as torch from '../../../src/torch/index.js';

const kinds: [string, NLayerDiscriminatorConfig, mode: 'train' | 'eval'][] = [
  ['batch norm in training', {}, 'train'],
  ['batch norm in evaluation', {}, 'eval'],
  ['ActNorm', { useActnorm: true }, 'train'],
  ['spectral norm', { spectralNorm: true }, 'eval'],
  ['ActNorm and spectral norm', { useActnorm: true, spectralNorm: true }, 'eval'],
];

for (const [name, config, mode] of kinds)
  test(`its gradient is that of finite differences: ${name}`, (t) => {
    torch.scope(() => {
      torch.manualSeed(7);
      const discriminator = new NLayerDiscriminator({ ndf: 3, nLayers: 1, ...config }).double();
      const images = torch.randn([3, 3, 8, 8], { dtype: 'float64' });
      discriminator.train().forward(images); // sets ActNorm
      for (const parameter of discriminator.parameters()) torch.noGrad(() => parameter.mul_(3));
      discriminator[mode]();
      const parameters = discriminator.parameters();
      r1(discriminator, images).backward();
      const moved = (parameter: torch.Tensor, direction: torch.Tensor, by: number) =>
        torch.noGrad(() => {
          parameter.add_(direction.mul(by));
          const value = r1(discriminator, images).item();
          parameter.sub_(direction.mul(by));
          return value;
        });
      let seen = 0;
      for (const parameter of parameters) {
        const direction = torch.randn(parameter.shape, { dtype: 'float64' });
        const step = 1e-5;
        const slope = (moved(parameter, direction, step) - moved(parameter, direction, -step)) / (2 * step);
        const expected = parameter.grad?.mul(direction).sum().item() ?? 0;
        t.true(
          Math.abs(slope - expected) <= 1e-5 * Math.max(1e-2, Math.abs(expected)),
          `${slope} ${expected}`,
        );
        seen = Math.max(seen, Math.abs(expected));
      }
      t.true(seen > 1e-3);
    });
  });

test('the penalty is that of each image, averaged, and does not touch the images', (t) => {
  torch.scope(() => {
    const images = torch.rand([4, 3, 2, 2], { dtype: 'float64' });
    // Logits x² have the gradient 2x.
    const penalty = r1((x) => x.square(), images);
    const expected = images.mul(2).square().sum().div(4).item();
    t.true(Math.abs(penalty.item() - expected) < 1e-12);
    t.false(images.requiresGrad);
  });
});

test('every N-th step has N times the weight γ / 2, and remembers the penalty', (t) => {
  torch.scope(() => {
    const penalty = new R1Penalty(10, 4);
    t.deepEqual(
      [0, 1, 2, 3, 4, 8, -Infinity, Infinity].filter((step) => penalty.dueAt(step)),
      [0, 4, 8],
    );
    const images = torch.ones([2, 1, 1, 3]).requiresGrad_();
    t.is(penalty.forward(images.square(), images).item(), (10 / 2) * 4 * 12);
    t.is(penalty.last.item(), 12);
    // In float16, 2⁻²⁰ would be zero: the scale keeps it.
    const half = torch.ones([2, 1, 1, 3], { dtype: 'float16' }).requiresGrad_();
    const scale = torch.tensor(65536);
    penalty.forward(half.to('float32').mul(2 ** -28), half, scale);
    t.is(penalty.last.item(), 3 * 2 ** -56);
    penalty.forward(half.to('float32').mul(2 ** -28), half);
    t.is(penalty.last.item(), 0);
  });
});
