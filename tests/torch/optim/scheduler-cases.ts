import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';

/** Optimizers that the schedules of the fixture belong to. */
export type Groups = optim.SGD | optim.Adam;
/** Makes the schedule of a case. */
export type Make = (o: Groups) => optim.Schedule | optim.ReduceLROnPlateau;

/** The schedules of tests/fixtures/make/schedulers.py, by their names there. */
export const makes: Record<string, Make> = {
  StepLR: (o) => new optim.StepLR(o, 3),
  'StepLR gamma': (o) => new optim.StepLR(o, 4, { gamma: 0.7 }),
  MultiStepLR: (o) => new optim.MultiStepLR(o, [2, 9, 9, 15], { gamma: 0.5 }),
  ExponentialLR: (o) => new optim.ExponentialLR(o, 0.9),
  ConstantLR: (o) => new optim.ConstantLR(o),
  LinearLR: (o) => new optim.LinearLR(o, { startFactor: 0.1, endFactor: 0.8, totalIters: 12 }),
  PolynomialLR: (o) => new optim.PolynomialLR(o, { totalIters: 15, power: 2 }),
  LambdaLR: (o) => new optim.LambdaLR(o, (step) => 0.95 ** step),
  'LambdaLR each': (o) => new optim.LambdaLR(o, [(step) => 1 / (step + 1), (step) => step / 20]),
  MultiplicativeLR: (o) => new optim.MultiplicativeLR(o, (step) => (step % 2 === 1 ? 0.9 : 1.05)),
  warmUpCosine: (o) =>
    new optim.LambdaLR(
      o,
      optim.warmUpCosine({ warmUpSteps: 5, min: 0.1, max: 1, start: 0.01, maxDecaySteps: 16 }),
    ),
  CosineAnnealingLR: (o) => new optim.CosineAnnealingLR(o, 6, { etaMin: 1e-3 }),
  CosineAnnealingWarmRestarts: (o) => new optim.CosineAnnealingWarmRestarts(o, 3, { tMult: 2, etaMin: 1e-3 }),
  OneCycleLR: (o) => new optim.OneCycleLR(o, 0.5, { totalSteps: 21 }),
  'OneCycleLR three phases': (o) =>
    new optim.OneCycleLR(o, [0.5, 0.2], {
      epochs: 3,
      stepsPerEpoch: 7,
      threePhase: true,
      annealStrategy: 'linear',
      pctStart: 0.4,
    }),
  'OneCycleLR without momentum': (o) => new optim.OneCycleLR(o, 1, { totalSteps: 25, cycleMomentum: false }),
  CyclicLR: (o) => new optim.CyclicLR(o, 0.01, 0.2, { stepSizeUp: 3 }),
  'CyclicLR halved': (o) =>
    new optim.CyclicLR(o, [0.01, 0.02], [0.2, 0.1], {
      stepSizeUp: 2,
      stepSizeDown: 5,
      mode: 'triangular2',
      baseMomentum: 0.7,
    }),
  'CyclicLR of Adam': (o) =>
    new optim.CyclicLR(o, 0.01, 0.2, { stepSizeUp: 4, mode: 'exp_range', gamma: 0.95 }),
  'CyclicLR without momentum': (o) =>
    new optim.CyclicLR(o, 0.01, 0.2, {
      stepSizeUp: 4,
      scaleFn: (step) => 1 / (1 + step),
      scaleMode: 'iterations',
      cycleMomentum: false,
    }),
  SequentialLR: (o) =>
    new optim.SequentialLR(
      o,
      [
        new optim.LinearLR(o, { totalIters: 4 }),
        new optim.CosineAnnealingLR(o, 10),
        new optim.ExponentialLR(o, 0.5),
      ],
      [4, 14],
    ),
  'SequentialLR of restarts': (o) =>
    new optim.SequentialLR(
      o,
      [
        new optim.ConstantLR(o, { factor: 0.1, totalIters: 3 }),
        new optim.CosineAnnealingWarmRestarts(o, 4),
        new optim.StepLR(o, 2),
      ],
      [3, 12],
    ),
  ChainedScheduler: (o) =>
    new optim.ChainedScheduler([new optim.ConstantLR(o), new optim.ExponentialLR(o, 0.9)]),
  ReduceLROnPlateau: (o) => new optim.ReduceLROnPlateau(o, { patience: 1, factor: 0.5, minLr: [1e-3, 0.02] }),
  'ReduceLROnPlateau max': (o) =>
    new optim.ReduceLROnPlateau(o, {
      mode: 'max',
      patience: 0,
      thresholdMode: 'abs',
      cooldown: 2,
      threshold: 0.01,
    }),
};

/** The optimizer of a case: two groups, the second with a learning rate of its own. */
export function optimizerFor(name: string): Groups {
  const groups = [
    { params: [new nn.Parameter(torch.zeros([1]))] },
    { params: [new nn.Parameter(torch.zeros([1]))], lr: 0.05 },
  ];
  if (['OneCycleLR three phases', 'CyclicLR of Adam'].includes(name))
    return new optim.Adam(groups, { lr: 0.1 });
  return new optim.SGD(groups, { lr: 0.1, momentum: 0.9 });
}
