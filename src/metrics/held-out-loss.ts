import type { Metric } from './metric.js';

/** Loss of the second stage on held-out codes, measured by the stage itself. */
export const heldOutLossMetric: Metric = {
  name: 'heldOutLoss',
  label: 'cross-entropy per code',
  short: 'held-out',
  unit: 'nats',
  digits: 3,
  better: 'lower',
  curve: { chart: 'cross-entropy, nats per code', name: 'held-out' },
  ofLoss: true,
};
