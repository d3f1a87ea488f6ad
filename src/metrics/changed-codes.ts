import type { Metric } from './metric.js';

/** Share of codes of held-out images that differ from those under the weights that a run began with. */
export const changedCodesMetric: Metric = {
  name: 'changedCodes',
  label: 'codes changed since the start',
  short: 'changed',
  unit: '%',
  digits: 1,
  curve: { chart: 'held-out codes changed since the start, %', name: 'held-out', fromZero: true },
  ofStage: true,
};
