import test from 'ava';
import { ImageSampler } from '../../src/sampling/images.js';
import { sampleAccepted } from '../../src/sampling/rejection.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as nn from '../../src/torch/nn/index.js';
import { classNet } from './first-stages.js';

const condition = torch.tensor([[11n], [3n]]);
const grid = [4, 4] as const;

/** Two classes: dark and bright images. */
class Brightness extends nn.Module {
  override forward(images: Tensor): Tensor {
    const mean = images.flatten(1).mean(1);
    return torch.stack([mean.neg(), mean], 1).mul(50);
  }
}

test('the image of each row that the classifier likes best is kept', (t) => {
  const net = classNet('VQModel');
  const classifier = new Brightness();
  torch.manualSeed(2);
  using sampler = new ImageSampler(net);
  const drawn = [0, 1, 2, 3].map(() => sampler.sample(condition, { grid }));
  for (const label of [0, 1]) {
    torch.manualSeed(2);
    const labels = torch.tensor([BigInt(label), BigInt(1 - label)]);
    const { images, scores } = sampleAccepted(net, condition, { classifier, labels, acceptance: 0.3, grid });
    for (const row of [0, 1]) {
      const wanted = row === 0 ? label : 1 - label;
      const judged = drawn.map((one) =>
        Number(classifier.forward(one).softmax(-1).select(0, row).select(0, wanted).item()),
      );
      const best = judged.indexOf(Math.max(...judged));
      t.deepEqual(images.select(0, row).tolist(), drawn[best]!.select(0, row).tolist());
      t.is(Number(scores.select(0, row).item()), judged[best]!);
    }
  }
});

test('an acceptance of 1 keeps what is drawn, and the condition is the default of the labels', (t) => {
  const net = classNet('VQModel');
  const seen: number[] = [];
  const classifier = (images: Tensor) => {
    seen.push(images.shape[0]!);
    return torch.zeros([2, 16]);
  };
  torch.manualSeed(2);
  const { images, scores } = sampleAccepted(net, condition, { classifier, acceptance: 1, grid });
  torch.manualSeed(2);
  using sampler = new ImageSampler(net);
  t.deepEqual(images.tolist(), sampler.sample(condition, { grid }).tolist());
  t.deepEqual([scores.tolist(), seen], [[1 / 16, 1 / 16], [2]]);
});

test('what cannot be judged is refused with the reason', (t) => {
  const net = classNet('VQModel');
  const classifier = new Brightness();
  const labels = torch.tensor([0n, 1n]);
  for (const [options, message] of [
    [{ classifier, labels, acceptance: 0 }, /acceptance must be a number above 0 and at most 1, got 0/],
    [{ classifier, labels: torch.tensor([0n]) }, /labels must be \[2\], .* got \[1\]/],
    [{ classifier }, /the classifier knows classes 0 to 1, but class 11 is wanted/],
    [{ classifier: (x: Tensor) => x, labels }, /must return logits \[2, classes\], got \[2, 3, /],
  ] as const) {
    t.throws(() => sampleAccepted(net, condition, { ...options, grid }), { instanceOf: RangeError, message });
  }
});
