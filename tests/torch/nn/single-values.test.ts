/** Norms of a single value, whose variance is undefined: PyTorch's own checks. */
import test from 'ava';
import { ActNorm, NLayerDiscriminator } from '../../../src/models/discriminators/n-layer.js';
import * as torch from '../../../src/torch/index.js';
import * as F from '../../../src/torch/nn/functional.js';
import * as nn from '../../../src/torch/nn/index.js';
import { MasterWeights } from '../../../src/training/engine/precision.js';

const perChannel = /more than one value per channel/;
const spatial = /more than one spatial element is needed/;
const perGroup = /more than one value per group is needed/;

type Norm = new (channels: number, options?: nn.BatchNormOptions) => nn.Module;

const [B1, B2, B3] = [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d] as Norm[];
const [I1, I2, I3] = [nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d] as Norm[];
const norms = { B1, B2, B3, I1, I2, I3 } as Record<string, Norm>;

const state = (module: nn.Module) =>
  [...module.stateDict()].map(([key, tensor]) => [key, tensor.tolist()] as const);

// In training; a norm without running statistics looks at the input itself in evaluation, too.
for (const [name, shape, message, alsoLarger] of [
  ['B1', [1, 4], perChannel, [2, 4]],
  ['B1', [1, 4, 1], perChannel, [1, 4, 2]],
  ['B2', [1, 4, 1, 1], perChannel, [2, 4, 1, 1]],
  ['B3', [1, 4, 1, 1, 1], perChannel, [1, 4, 1, 1, 2]],
  ['I1', [3, 4, 1], spatial, [1, 4, 2]],
  ['I1', [4, 1], spatial, [4, 2]],
  ['I2', [3, 4, 1, 1], spatial, [1, 4, 1, 2]],
  ['I2', [4, 1, 1], spatial, [4, 2, 1]],
  ['I3', [3, 4, 1, 1, 1], spatial, [1, 4, 2, 1, 1]],
] as const) {
  for (const trackRunningStats of [true, false]) {
    for (const momentum of [0.1, null]) {
      test(`${name} refuses [${shape.join(', ')}] and changes nothing: statistics kept: ${trackRunningStats}, momentum ${momentum}`, (t) => {
        const norm = new norms[name]!(4, { trackRunningStats, momentum });
        const before = state(norm);
        const run = (sizes: readonly number[]) => norm.forward(torch.randn([...sizes])) as torch.Tensor;
        const refused = { instanceOf: torch.ShapeError, message };
        t.throws(() => run(shape), refused);
        t.deepEqual(state(norm), before);
        t.true(run(alsoLarger).isfinite().all().item());
        norm.eval();
        if (trackRunningStats) t.true(run(shape).isfinite().all().item());
        else t.throws(() => run(shape), refused);
      });
    }
  }
}

test('the functions refuse what the layers refuse', (t) => {
  const [mean, variance] = [torch.zeros([4]), torch.ones([4])];
  for (const shape of [
    [1, 4],
    [1, 4, 1],
    [1, 4, 1, 1],
    [1, 4, 1, 1, 1],
  ]) {
    const x = torch.randn(shape);
    t.throws(() => F.batchNorm(x, mean, variance, { training: true }), { message: perChannel });
    t.notThrows(() => F.batchNorm(x, mean, variance));
    t.throws(() => F.instanceNorm(x), { instanceOf: torch.ShapeError, message: spatial });
    t.throws(() => F.groupNorm(x, 4), { instanceOf: torch.ShapeError, message: perGroup });
    t.notThrows(() => F.groupNorm(x, 2));
  }
  t.deepEqual([mean.tolist(), variance.tolist()], [Array(4).fill(0), Array(4).fill(1)]);
});

test('a group norm of single values is refused in training and evaluation', (t) => {
  const norm = new nn.GroupNorm(4, 4);
  for (const module of [norm, norm.eval()]) {
    t.throws(() => module.forward(torch.randn([1, 4, 1, 1])), {
      instanceOf: torch.ShapeError,
      message: /\[1, 4, 1, 1\] in 4 groups has one/,
    });
    // As PyTorch counts: over the batch.
    t.notThrows(() => module.forward(torch.randn([2, 4, 1, 1])));
    t.notThrows(() => module.forward(torch.randn([1, 4, 1, 2])));
  }
  t.notThrows(() => new nn.GroupNorm(2, 4).forward(torch.randn([1, 4])));
});

test('an empty batch is no single value', (t) => {
  const norm = new nn.BatchNorm2d(4);
  t.deepEqual(norm.forward(torch.randn([0, 4, 1, 1])).shape, [0, 4, 1, 1]);
  t.deepEqual(norm.runningVar!.tolist(), [1, 1, 1, 1]);
});

test('ActNorm is not set from single values', (t) => {
  for (const shape of [
    [1, 4, 1, 1],
    [0, 4, 2, 2],
  ]) {
    const norm = new ActNorm(4);
    const before = state(norm);
    t.throws(() => norm.forward(torch.randn(shape)), { instanceOf: torch.ShapeError, message: perChannel });
    t.deepEqual(state(norm), before);
  }
  const norm = new ActNorm(4);
  norm.forward(torch.randn([1, 4, 1, 2]));
  t.true(
    norm
      .forward(torch.randn([1, 4, 1, 1]))
      .isfinite()
      .all()
      .item(),
  );
});

test('a discriminator that comes down to one patch of one image says so, and keeps its statistics', (t) => {
  for (const useActnorm of [false, true]) {
    const discriminator = new NLayerDiscriminator({ ndf: 4, nLayers: 1, useActnorm });
    const before = state(discriminator);
    t.throws(() => discriminator.forward(torch.randn([1, 3, 4, 4])), { message: perChannel });
    t.deepEqual(state(discriminator), before);
  }
});

test('networks lowered to bfloat16 refuse it, too', (t) => {
  const norm = new nn.Sequential(new nn.BatchNorm2d(4));
  new MasterWeights([norm]);
  t.throws(() => norm.forward(torch.randn([1, 4, 1, 1])), { message: perChannel });
  t.deepEqual((norm.stateDict().get('0.running_var') as torch.Tensor).tolist(), [1, 1, 1, 1]);
});
