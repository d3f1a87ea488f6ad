import test from 'ava';
import * as torch from '../../src/torch/index.js';

const float64 = { dtype: 'float64', requiresGrad: true } as const;

test('every output of a function is compared', (t) => {
  const x = torch.tensor([0.3, -1.2, 2], float64);
  t.true(torch.gradcheck((input) => input.sort(), [x]));
  t.true(torch.gradcheck((input) => [input.sin(), input.exp(), input.argmax()], [x]));
  t.throws(() => torch.gradcheck((input) => [input.sin(), input.detach().mul(input)], [x]), {
    instanceOf: torch.AutogradError,
    message: /output 1, element 0, by input 0/,
  });
});

test('complex outputs are compared by real and imaginary part', (t) => {
  const x = torch.tensor([0.3, -1.2, 2, 0.7], float64);
  t.true(torch.gradcheck((input) => input.fftFft(), [x]));
  t.true(torch.gradcheck((input) => input.fftFft().conj(), [x]));
});

test('inputs that cannot be changed element by element are refused', (t) => {
  const base = torch.randn([2, 3], { dtype: 'float64' });
  const transposed = base.t().requiresGrad_();
  t.throws(() => torch.gradcheck((input) => input.sin(), [transposed]), { message: /contiguous leaves/ });
  const single = torch.randn([2], { requiresGrad: true });
  t.throws(() => torch.gradcheck((input) => input.sin(), [single]), { message: /float64/ });
});

test('a gradient without memory, which is zero everywhere, can be read', (t) => {
  const x = torch.tensor([0.3, -1.2], float64);
  const [gradient] = torch.grad([x.sgn().select(0, 0)], [x]);
  t.is(gradient!.storage.address, 0);
  t.deepEqual(gradient!.tolist(), [0, 0]);
  const bytes = new Uint8Array(16).fill(1);
  torch.readBytes(gradient!, 0, bytes);
  t.deepEqual(bytes, new Uint8Array(16));
  t.throws(() => torch.writeBytes(gradient!, 0, bytes), { message: /clone it first/ });
});
