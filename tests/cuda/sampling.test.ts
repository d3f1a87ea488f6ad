/** Behaviour of a kept sampler when its model changes, or breaks, between replays. */
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { sampleImages } from '../../src/sampling/images.js';
import { sampleWindowed } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import { classNet } from '../sampling/first-stages.js';
import { livelyGpt } from '../sampling/lively-gpt.js';
import { device, onDevice, placed } from './device.js';

const sizes = { vocabSize: 64, blockSize: 48, nLayer: 2, nHead: 2, nEmbd: 64 };
const prefix = () => torch.tensor([[3n, 1n]]).to(device);
const greedy = { greedy: true };

for (const kernels of [false, true]) {
  const by = kernels ? 'kernels of our own' : 'operators';

  onDevice(`replayed steps draw by the present weights: ${by}`, (t) => {
    const gpt = placed(() => livelyGpt(sizes));
    using sampler = new TokenSampler(gpt, { batch: 1, bucket: 16, kernels, ...greedy });
    for (const change of [
      () => {},
      () => gpt.parameters().forEach((parameter) => void parameter.mul_(-1.3)),
      () => {
        for (const parameter of gpt.parameters()) parameter.data = parameter.detach().mul(-0.7);
      },
      () => gpt.blocks.parameters().forEach((parameter) => void parameter.data.mul_(-1.1)),
    ]) {
      torch.noGrad(change);
      const expected = generate(gpt, prefix(), 40, greedy).tolist();
      for (let i = 0; i < 2; i++) t.deepEqual(sampler.sample(prefix(), 40).tolist(), expected);
    }
  });

  onDevice(`NaN in a replayed step is an error that names it, and is gone with its cause: ${by}`, (t) => {
    const gpt = placed(() => livelyGpt(sizes));
    using sampler = new TokenSampler(gpt, { batch: 1, bucket: 16, kernels, ...greedy });
    const expected = generate(gpt, prefix(), 40, greedy).tolist();
    t.deepEqual(sampler.sample(prefix(), 40).tolist(), expected);
    const row = gpt.posEmb.narrow(1, 30, 1);
    const before = row.detach().clone();
    torch.noGrad(() => void row.fill_(NaN));
    // Position 30 is fed at step 29 of those after two given tokens.
    for (const run of [() => sampler.sample(prefix(), 40), () => generate(gpt, prefix(), 40, greedy)]) {
      t.throws(run, { instanceOf: torch.TorchError, message: /at step 29 the logits of row 0 are NaN/ });
    }
    torch.noGrad(() => void row.copy_(before));
    t.deepEqual(sampler.sample(prefix(), 40).tolist(), expected);
  });
}

onDevice('classes beyond the codes are never drawn, and a label that is not a class is refused', (t) => {
  const net = placed(() => classNet('VQModel'));
  using sampler = new TokenSampler(net.transformer, { batch: 2, topK: 5 });
  const classes = (...numbers: bigint[]) => torch.tensor(numbers.map((number) => [number])).to(device);
  for (const options of [{}, { sampler }, { greedy: true }]) {
    const drawn = sampleImages(net, classes(11n, 3n), { grid: [4, 4], ...options });
    t.deepEqual(drawn.shape, [2, 3, 8, 8]);
    t.throws(() => sampleImages(net, classes(11n, 12n), { grid: [4, 4], ...options }), {
      instanceOf: RangeError,
      message: /no class 12/,
    });
  }
});

onDevice('windows draw on the device what they draw on the CPU, and find NaN at the end', (t) => {
  const net = classNet('VQModel').to('float64');
  const draw = (place: torch.Device) =>
    sampleWindowed(net, torch.tensor([[11n], [3n]]).to(place), { grid: [5, 7], topK: 5, seed: 4 }).tolist();
  const expected = draw('cpu');
  net.to(device);
  t.deepEqual(draw(device), expected);
  torch.noGrad(() => void net.transformer.posEmb.narrow(1, 3, 1).fill_(NaN));
  t.throws(() => draw(device), { message: /^sampleWindowed: at step \d+ the logits of row 0 are NaN/ });
});
