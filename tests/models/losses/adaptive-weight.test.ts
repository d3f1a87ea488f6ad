import test, { type ExecutionContext } from 'ava';
import { AdaptiveWeight } from '../../../src/models/losses/adaptive-weight.js';
import { VQLPIPSWithDiscriminator } from '../../../src/models/losses/vqgan-loss.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as torch from '../../../src/torch/index.js';

const usual = {
  discWeight: 0.5,
  discAdaptiveWeight: true,
  maxAdaptiveWeight: 1e4,
  adaptiveWeightSmoothing: 0,
};

const loss = torch.keep(torch.zeros([]));
const near = (t: ExecutionContext, actual: number, expected: number) =>
  t.true(Math.abs(actual - expected) < 1e-5 * Math.max(1, expected), `${actual}, not ${expected}`);

/** Gradients whose norms have this ratio, except for δ. */
const gradients = (ratio: number) => () => ({
  nll: torch.tensor([0, ratio]),
  generator: torch.tensor([1, 0]),
});

test('the weight is capped before discWeight', (t) => {
  const weight = new AdaptiveWeight({ ...usual, maxAdaptiveWeight: 3 });
  near(t, weight.next(1, loss, gradients(2)).item(), 0.5 * (2 / 1.0001));
  near(t, weight.next(1, loss, gradients(7)).item(), 0.5 * 3);
});

test('a smoothed weight starts with the first one that acts, and moves from there', (t) => {
  const weight = new AdaptiveWeight({ ...usual, adaptiveWeightSmoothing: 0.75 });
  near(t, weight.next(0, loss, gradients(100)).item(), 50 / 1.0001); // logged, but not averaged
  let [sum, shares] = [0, 0];
  for (const ratio of [4, 1, 8]) {
    sum = 0.75 * sum + 0.25 * ratio;
    shares = 0.75 * shares + 0.25;
    near(t, weight.next(1, loss, gradients(ratio)).item(), (0.5 * sum) / shares / 1.0001);
  }
  near(t, sum / shares, (0.25 * (4 * 0.5625 + 0.75 + 8)) / (1 - 0.75 ** 3));
});

test('a fixed weight is discWeight, and asks for no gradients', (t) => {
  const weight = new AdaptiveWeight({ ...usual, discAdaptiveWeight: false });
  const value = weight.next(1, loss.double(), () => t.fail());
  t.is(value.item(), 0.5);
  t.is(value.dtype, 'float64');
});

test('a warm-up is part of the steps before discStart', (t) => {
  const make = (discWarmup: number) =>
    nn.skipInit(() => new VQLPIPSWithDiscriminator({ discStart: 5, discFactor: 0.7, discWarmup }));
  const warmed = make(2);
  const steps = [0, 2, 3, 4, 5, 6];
  t.deepEqual(
    steps.map((step) => [warmed.discFactorAt(step), warmed.learningFactorAt(step)]),
    [
      [0, 0],
      [0, 0],
      [0, 0.7],
      [0, 0.7],
      [0.7, 0.7],
      [0.7, 0.7],
    ],
  );
  t.throws(() => make(6), {
    instanceOf: RangeError,
    message: /discWarmup is 6, but only 5 steps precede discStart/,
  });
});
