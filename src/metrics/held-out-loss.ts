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

/** Bits that a code costs: the loss in bits instead of nats. */
export const bitsPerTokenMetric: Metric = {
  name: 'bitsPerToken',
  label: 'bits per code',
  short: 'bits',
  unit: 'bits',
  digits: 3,
  better: 'lower',
  atEnd: true,
  ofStage: true,
};

/**
 * Bits of all codes of an image, divided by its values (H · W · C). What the decoder adds is not counted, so that it is a
 * rate of codes and not a likelihood of pixels.
 */
export const bitsPerDimensionMetric: Metric = {
  name: 'bitsPerDimension',
  label: 'bits of codes per dimension of the image',
  short: 'bits/dim',
  unit: 'bits',
  digits: 5,
  better: 'lower',
  atEnd: true,
  ofStage: true,
};

/**
 * Returns the loss, nats per code, in bits per code and per dimension.
 *
 * @param codes codes of an image
 * @param dimensions values of an image, H · W · C
 */
export function codeRates(nats: number, codes: number, dimensions: number): Record<string, number> {
  const bits = nats / Math.LN2;
  return { bitsPerToken: bits, bitsPerDimension: (bits * codes) / dimensions };
}
