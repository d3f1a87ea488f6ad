import test from 'ava';
import { lpipsMetric } from '../../src/metrics/lpips.js';
import { LPIPS } from '../../src/models/losses/lpips.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { bounds, compare, goldenTensors, need } from '../golden/data.js';
import { drawLpipsWeights } from '../golden/vqgan.js';

const lpips = new LPIPS().double();
lpips.loadStateDict(drawLpipsWeights());
const perceptual = (a: Tensor, b: Tensor) => lpips.forward(a, b);
const io = await goldenTensors('vqgan-io');
const [images, reconstruction] = [need(io, 'x'), need(io, 'reconstruction')];
const stride = 16;

test('LPIPS of images by a network that gives the recorded values of the reference', (t) => {
  const { error } = compare('lpips', perceptual(images, reconstruction), need(io, 'lpips'), bounds.float64);
  t.true(error <= bounds.float64, String(error));
  const [a, b] = [images, reconstruction].map((x) => x.clamp(-1, 1)) as [Tensor, Tensor];
  const measured = lpipsMetric.ofImages({ images: a, reconstruction: b, stride, perceptual })!;
  t.deepEqual(measured.shape, [images.shape[0]!]);
  t.true(torch.equal(measured, perceptual(b, a).flatten()));
});

test('values outside [−1, 1] are clamped, as by PSNR and SSIM', (t) => {
  const far = reconstruction.mul(3);
  const expected = perceptual(far.clamp(-1, 1), images).flatten();
  t.true(
    torch.allclose(lpipsMetric.ofImages({ images, reconstruction: far, stride, perceptual })!, expected),
  );
  t.false(torch.allclose(perceptual(far, images).flatten(), expected));
});

test('without weights there is no value', (t) => {
  for (const given of [null, undefined]) {
    const batch = { images, reconstruction, stride, ...(given !== undefined && { perceptual: given }) };
    t.is(lpipsMetric.ofImages(batch), null);
  }
});
