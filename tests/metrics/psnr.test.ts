import test from 'ava';
import { psnr } from '../../src/metrics/psnr.js';
import * as torch from '../../src/torch/index.js';
import { equals, input } from './golden.js';

test('decibels of a known error, for each image of a batch', (t) => {
  const a = torch.zeros([2, 3, 4, 4]);
  const b = torch.cat([torch.full([1, 3, 4, 4], 0.2), torch.full([1, 3, 4, 4], 5)]);
  const [first, second] = psnr(a, b);
  t.true(Math.abs(first! - 20) < 1e-4); // 10·log₁₀(4 / 0.04)
  t.true(Math.abs(second! - 10 * Math.log10(4)) < 1e-4); // clamped to 1
  t.is(psnr(a, a)[0], Infinity);
  t.throws(() => psnr(a, torch.zeros([2, 3, 4, 5])), { instanceOf: torch.ShapeError });
});

test('as recorded, in every range', (t) => {
  const [a, b] = [input('images.reference'), input('images.distorted')];
  equals(t, psnr(a, b, { range: 1 }), 'psnr.dataRange1.perImage');
  equals(t, psnr(a, b, { range: 1, pooled: true }), 'psnr.dataRange1.pooled');
  equals(t, psnr(a.mul(255), b.mul(255), { range: 255 }), 'psnr.255.perImage');
  const signed = (x: torch.Tensor) => x.mul(2).sub(1);
  equals(t, psnr(signed(a), signed(b)), 'psnr.dataRange2onMinus1to1.perImage');
  equals(t, psnr(a.float(), b.float(), { range: 1 }), 'psnr.dataRange1.perImage', 1e-4);
  const bytes = (x: torch.Tensor) => x.mul(255).round().to('uint8');
  t.true(Math.abs(psnr(bytes(a), bytes(b), { range: 255 })[0]! - psnr(a, b, { range: 1 })[0]!) < 0.05);
  t.throws(() => psnr(a, b, { range: 0 }), { message: /range is the span of the values.*got 0/ });
});
