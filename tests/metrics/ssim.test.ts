import test from 'ava';
import { metricNamed } from '../../src/metrics/definitions.js';
import { msSsim, ssim, type SsimOptions } from '../../src/metrics/ssim.js';
import * as torch from '../../src/torch/index.js';
import { equals, input } from './golden.js';

const gaussian = 'ssim.gaussian11.sigma1.5';
const cases: [options: SsimOptions & { range: number }, name: string][] = [
  [{ range: 1 }, `${gaussian}.dataRange1.skimage.perImage`],
  [{ range: 1 }, `${gaussian}.dataRange1.pytorchMsssim.perImage`],
  [{ range: 255 }, `${gaussian}.dataRange255.pytorchMsssim.perImage`],
  [{ range: 1, border: 'reflect' }, `${gaussian}.dataRange1.torchmetrics.perImage`],
  [{ range: 1, window: 'uniform' }, 'ssim.uniform7.sampleCovariance.dataRange1.skimage.perImage'],
  [
    { range: 1, window: 'uniform', covariance: 'population' },
    'ssim.uniform7.populationCovariance.dataRange1.skimage.perImage',
  ],
  [
    { range: 1, window: 'uniform', windowSize: 11, covariance: 'population', border: 'reflect' },
    'ssim.uniform11.dataRange1.torchmetrics.perImage',
  ],
];
for (const [options, name] of cases) {
  test(`as recorded: ${name} ${JSON.stringify(options)}`, (t) => {
    const scale = options.range === 255 ? 255 : 1;
    const [a, b] = [input('images.reference').mul(scale), input('images.distorted').mul(scale)];
    equals(t, ssim(a, b, options), name);
    equals(t, ssim(a.float(), b.float(), options), name, 1e-4);
  });
}

test('range 2 on images in [0, 1], as some projects report it', (t) => {
  const [a, b] = [input('images.reference'), input('images.distorted')];
  equals(
    t,
    ssim(a, b, { range: 2, window: 'uniform' }),
    'ssim.uniform7.sampleCovariance.dataRange2.skimage.perImage',
  );
});

test('images in [−1, 1] need no range, and are clamped', (t) => {
  const [a, b] = [input('images.reference'), input('images.distorted')].map((x) => x.mul(2).sub(1));
  const expected = ssim(a!, b!, { range: 2 });
  t.deepEqual(ssim(a!, b!), expected);
  t.deepEqual(ssim(torch.where(a!.lt(1), a!, 3), b!), expected);
  t.deepEqual(ssim(a!, a!), [1, 1]);
});

test('several scales, by the rules of two implementations', (t) => {
  const [a, b] = [input('big.reference'), input('big.distorted')];
  equals(t, msSsim(a, b, { range: 255 }), 'msssim.dataRange255.pytorchMsssim.perImage');
  equals(
    t,
    msSsim(a, b, { range: 255, rule: 'torchmetrics' }),
    'msssim.dataRange255.torchmetrics.relu.perImage',
  );
  equals(t, ssim(a, b, { range: 255 }), 'ssim.big.gaussian11.dataRange255.pytorchMsssim.perImage');
  equals(
    t,
    ssim(a, b, { range: 255, border: 'reflect' }),
    'ssim.big.gaussian11.dataRange255.torchmetrics.perImage',
  );
});

test('what cannot be measured is refused', (t) => {
  const small = torch.zeros([1, 3, 10, 16]);
  t.throws(() => ssim(small, small), {
    instanceOf: torch.ShapeError,
    message: /window of 11 pixels needs images of at least 11 × 11, got 10 × 16/,
  });
  t.throws(() => msSsim(torch.zeros([1, 3, 160, 200]), torch.zeros([1, 3, 160, 200])), {
    message: /at least 161 × 161/,
  });
  t.throws(() => ssim(small, small, { windowSize: 4 }), { message: /an odd number of at least 3; got 4/ });
  t.throws(() => ssim(small, small.squeeze(0)), { instanceOf: torch.ShapeError });
});

test('the metric of a run: images smaller than the window have none', (t) => {
  const metric = metricNamed('ssim')!;
  const measure = (side: number) => {
    const images = torch.rand([2, 3, side, side]);
    return 'ofImages' in metric ? metric.ofImages({ images, reconstruction: images, stride: 4 }) : undefined;
  };
  t.is(measure(8), null);
  t.deepEqual(measure(16)?.tolist(), [1, 1]);
});
