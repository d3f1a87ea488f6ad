import test from 'ava';
import type { LaunchFor } from '../../src/torch/cuda/group-norm-silu.js';
import {
  differenceFromPlain,
  fusedGroupNormSilu,
  groupNormKernels,
} from '../../src/torch/cuda/group-norm-silu.js';
import { planFor } from '../../src/torch/cuda/group-norm-plan.js';
import type { Launch } from '../../src/torch/cuda/kernel.js';
import * as torch from '../../src/torch/index.js';
import { Tensor } from '../../src/torch/index.js';
import { compilesForH200 } from './kernels/compiled.js';
import { emulated } from './kernels/emulated.js';

const element = { float32: 0, bfloat16: 1 } as const;

function launchFor(dtype: keyof typeof element, channelsLast: boolean): Launch | null {
  return emulated('group-norm-silu', {
    ELEMENT: element[dtype],
    CHANNELS_LAST: Number(channelsLast),
    SILU: 1,
  });
}

interface Case {
  shape: number[];
  groups: number;
  dtype: keyof typeof element;
  channelsLast: boolean;
}

const cases: Case[] = [
  { shape: [2, 32, 8, 8], groups: 8, dtype: 'float32', channelsLast: false },
  { shape: [1, 8, 36, 70], groups: 4, dtype: 'float32', channelsLast: false },
  { shape: [3, 12, 4, 9], groups: 1, dtype: 'bfloat16', channelsLast: false },
  { shape: [2, 32, 8, 8], groups: 8, dtype: 'float32', channelsLast: true },
  { shape: [1, 64, 13, 11], groups: 4, dtype: 'float32', channelsLast: true },
  { shape: [2, 48, 5, 7], groups: 4, dtype: 'bfloat16', channelsLast: true },
];

for (const { shape, groups, dtype, channelsLast } of cases) {
  const order = channelsLast ? 'channels-last' : 'NCHW';
  test.serial(
    `the fused group norm and SiLU equal the plain operators: ${dtype}[${shape.join(', ')}], ${order}`,
    (t) => {
      const launch = launchFor(dtype, channelsLast);
      if (launch === null) return (t.log('skipped: no g++ to compile the emulator'), t.pass());
      torch.manualSeed(3);
      const eps = 1e-5;
      // Far from zero, where sums of squares alone would lose the variance.
      const memoryFormat = channelsLast ? 'channels_last' : 'contiguous_format';
      const x = torch.randn(shape).mul(0.5).add(20).to(dtype).contiguous({ memoryFormat }).requiresGrad_();
      const weight = torch.randn([shape[1]!]).to(dtype).requiresGrad_();
      const bias = torch.randn([shape[1]!]).to(dtype).requiresGrad_();
      const gradient = torch.randn(shape).to(dtype).contiguous({ memoryFormat });
      t.is(planFor(x, groups)!.channelsLast, channelsLast);

      const y = fusedGroupNormSilu(() => launch, groups, eps)(x, weight, bias);
      t.deepEqual(y.strides, x.strides);
      const found = torch.grad([y], [x, weight, bias], { gradOutputs: [gradient] });

      const exact = [x, weight, bias].map((input) => input.detach().double().requiresGrad_());
      const [x64, weight64, bias64] = exact as [Tensor, Tensor, Tensor];
      const expected = torch.groupNorm(x64, groups, weight64, bias64, eps).silu();
      const gradients = torch.grad([expected], exact, { gradOutputs: [gradient.double()] });
      const bound = dtype === 'float32' ? 2e-5 : 1e-2;
      for (const [i, [mine, right]] of [
        [y, expected] as const,
        ...found.map((g, i) => [g, gradients[i]!] as const),
      ].entries()) {
        const scale = right.abs().max().item();
        const difference = mine.double().sub(right).abs().max().item() / scale;
        t.true(difference < bound, `result ${i} differs by ${difference}`);
      }
    },
  );
}

test.serial('its backward runs after the scope that its input was made in has ended', (t) => {
  const launch = launchFor('float32', false);
  if (launch === null) return (t.log('skipped: no g++ to compile the emulator'), t.pass());
  const [weight, bias] = [torch.ones([8], { requiresGrad: true }), torch.zeros([8], { requiresGrad: true })];
  const asked: torch.DType[] = [];
  const launchOf: LaunchFor = (dtype) => (asked.push(dtype), launch);
  const leaf = torch.randn([1, 8, 4, 4]).requiresGrad_();
  // As in a module's forward: what is between a layer and the next lives in a scope of its own.
  const loss = torch.scope(() => fusedGroupNormSilu(launchOf, 2, 1e-5)(leaf.mul(2), weight, bias).sum());
  loss.backward();
  t.deepEqual(asked, ['float32', 'float32']);
  t.is(Number(leaf.grad!.isfinite().all().item()), 1);
});

for (const [dtype, channelsLast] of [
  ['float32', false],
  ['bfloat16', true],
] as const) {
  test.serial(`before its first use a kernel is compared with the plain operators: ${dtype}`, (t) => {
    const launch = launchFor(dtype, channelsLast);
    if (launch === null) return (t.log('skipped: no g++ to compile the emulator'), t.pass());
    const difference = differenceFromPlain(launch, dtype, channelsLast, 'cpu');
    t.true(difference < (dtype === 'float32' ? 1e-5 : 1e-2), `${difference}`);
    for (const spoilt of ['forward', 'backward', 'partialGradients']) {
      const wrong: Launch = (kernel, size, kinds, args) => {
        launch(kernel, size, kinds, args);
        if (kernel === spoilt) args.findLast((arg) => arg instanceof Tensor)!.mul_(1.2);
      };
      t.true(differenceFromPlain(wrong, dtype, channelsLast, 'cpu') > 0.1, `${spoilt} is wrong`);
    }
  });
}

test('the kernels take what fits into vectors of four, in two orders of memory', (t) => {
  const planned = (x: Tensor, groups: number) => planFor(x, groups)?.channelsLast ?? null;
  const last = (x: Tensor) => x.contiguous({ memoryFormat: 'channels_last' });
  t.false(planned(torch.empty([2, 8, 4, 4]), 2));
  t.true(planned(last(torch.empty([2, 8, 4, 4])), 2));
  t.false(planned(torch.empty([2, 8, 16]), 2));
  t.is(planned(torch.empty([2, 8, 3, 3]), 2), null);
  t.is(planned(last(torch.empty([2, 8, 4, 4])), 4), null);
  t.is(planned(torch.empty([2, 8, 4, 4]).transpose(2, 3), 2), null);
  t.is(planned(torch.empty([2, 8, 4, 5]).narrow(3, 1, 4), 2), null);
  t.is(planned(torch.empty([0, 8, 4, 4]), 2), null);
  t.is(planned(torch.empty([16, 128, 1024, 1024], { device: 'meta' }), 32), null);
});

test('every element has its block: pieces cover all steps, and there are enough of them', (t) => {
  for (const [shape, groups] of [
    [[16, 128, 256, 256], 32],
    [[1, 512, 16, 16], 32],
    [[3, 96, 20, 20], 8],
  ] as const) {
    const x = torch.empty(shape, { device: 'meta' });
    for (const input of [x, x.contiguous({ memoryFormat: 'channels_last' })]) {
      const plan = planFor(input, groups)!;
      const steps = plan.channelsLast ? plan.pixels : plan.pixels / 4;
      t.true(plan.planes.piece * plan.planes.grid[1] >= steps);
      t.true(plan.planes.piece * (plan.planes.grid[1] - 1) < steps);
      t.true(plan.planes.block[0] <= 512 && plan.planes.grid[1] <= 256);
    }
  }
});

test('on the CPU the plain operators run, with gradients of gradients', (t) => {
  const x = torch.randn([2, 8, 4, 4], { dtype: 'float64', requiresGrad: true });
  const weight = torch.ones([8], { dtype: 'float64' });
  const bias = torch.zeros([8], { dtype: 'float64' });
  t.false(torch.cuda.fusesGroupNormSilu(x, 2, weight, bias));
  const y = torch.cuda.groupNormSilu(x, 2, weight, bias);
  t.true(
    y
      .sub(torch.groupNorm(x, 2, weight, bias).silu())
      .abs()
      .max()
      .item() === 0,
  );
  t.true(torch.gradcheck((input) => torch.cuda.groupNormSilu(input, 2, weight, bias), [x]));
  t.is(torch.cuda.fusedGroupNormFailure(), null);
});

for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
  compilesForH200(`NVRTC compiles the kernels for an H200: ${dtype}`, () =>
    [false, true].map((channelsLast) => groupNormKernels(dtype, channelsLast)),
  );
}
