import test from 'ava';
import { psnr } from '../../src/metrics/psnr.js';
import * as torch from '../../src/torch/index.js';

test('decibels of a known error, for each image of a batch', (t) => {
  const a = torch.zeros([2, 3, 4, 4]);
  const b = torch.cat([torch.full([1, 3, 4, 4], 0.2), torch.full([1, 3, 4, 4], 5)]);
  const [first, second] = psnr(a, b).toTypedArray() as Float32Array;
  t.true(Math.abs(first! - 20) < 1e-4); // 10·log₁₀(4 / 0.04)
  t.true(Math.abs(second! - 10 * Math.log10(4)) < 1e-4); // clamped to 1
  t.is(psnr(a, a).at(0).item(), Infinity);
  t.throws(() => psnr(a, torch.zeros([2, 3, 4, 5])), { instanceOf: torch.ShapeError });
});
