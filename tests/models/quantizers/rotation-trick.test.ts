import test from 'ava';
import { rotatedTo } from '../../../src/models/quantizers/rotation-trick.js';
import * as torch from '../../../src/torch/index.js';

const { points, chosen, upstream } = torch.scope(() => {
  torch.manualSeed(3);
  const one = () => torch.keep(torch.randn([5, 4], { dtype: 'float64' }));
  return { points: one(), chosen: one(), upstream: one() };
});
const cosine = (a: torch.Tensor, b: torch.Tensor) =>
  a
    .mul(b)
    .sum([-1])
    .div(a.norm(2, [-1]).mul(b.norm(2, [-1])));

test('the value is the code', (t) => {
  t.true(rotatedTo(points, chosen).allclose(chosen, 1e-12, 1e-12));
});

test('the gradient keeps its angle to what it belongs to, and its length is scaled as the latent is', (t) => {
  const x = points.clone().requiresGrad_();
  const codes = chosen.clone().requiresGrad_();
  rotatedTo(x, codes).backward(upstream);
  t.is(codes.grad, null);
  t.true(cosine(x.grad!, points).allclose(cosine(upstream, chosen), 1e-12, 1e-12));
  const scale = chosen.norm(2, [-1]).div(points.norm(2, [-1]));
  t.true(x.grad!.norm(2, [-1]).allclose(upstream.norm(2, [-1]).mul(scale), 1e-12, 1e-12));
});

test('latents and codes at zero give finite values', (t) => {
  const x = torch.zeros([1, 3]).requiresGrad_();
  const out = rotatedTo(x, torch.zeros([1, 3]));
  out.sum().backward();
  t.is(Number(out.isfinite().all().item()), 1);
  t.is(Number(x.grad!.isfinite().all().item()), 1);
});
