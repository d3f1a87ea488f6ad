import type { Metric } from './metric.js';

/** The second stage's loss on held-out codes, which the stage itself measures. */
export const heldOutLossMetric: Metric = {
  name: 'heldOutLoss',
  label: 'cross-entropy a code',
  short: 'held-out',
  unit: 'nats',
  digits: 3,
  better: 'lower',
  curve: { chart: 'cross-entropy, nats a code', name: 'held-out' },
  ofLoss: true,
};
