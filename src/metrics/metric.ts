/** What a metric is: how it is computed, and how it is shown wherever runs are reported. */
import type { Tensor } from '../torch/index.js';

/** Held-out images and what a first stage makes of them: [B, C, H, W] each, in [−1, 1]. */
export interface Reconstructions {
  images: Tensor;
  reconstruction: Tensor;
  /** Pixels a side that one code stands for. */
  stride: number;
}

/** Grids of codes that a second stage was trained on, and others, in reading order. */
export interface CodeGrids {
  train: readonly (readonly number[])[];
  heldOut: readonly (readonly number[])[];
  /** Number of different codes. */
  size: number;
  /** Codes in a row of the grid. */
  width: number;
}

/** How a metric is measured: one of these, or by the stage itself (a loss). */
type Measurement =
  | { /** For each image: [B]; the metric is their mean. */ ofImages: (batch: Reconstructions) => Tensor }
  | { /** From how often each code was chosen. */ ofCounts: (counts: Float64Array) => number }
  | { ofGrids: (grids: CodeGrids) => number }
  | { ofLoss: true };

/** A metric on held-out data. Everything that prints metrics prints them from their definitions. */
export type Metric = Measurement & {
  /** Its key in metrics.jsonl and in events. */
  name: string;
  /** What it is called in reports. */
  label: string;
  /** What it is called in the line of a terminal. */
  short: string;
  unit?: string;
  /** Digits behind the point. */
  digits: number;
  /** Which of two values is the better one; of the first metric of a stage it chooses the best checkpoint. */
  better?: 'higher' | 'lower';
  /** Measured at the end of a run only, on all held-out data. */
  atEnd?: true;
  /** The chart that it is a curve of. */
  curve?: { chart: string; name: string; fromZero?: true };
  /** A level drawn into the chart of another metric, to compare with. */
  level?: { of: string; name: string };
};

/** Returns a value as text with its digits and unit: `21.01 dB`. */
export function formatMetric({ digits, unit }: Metric, value: number): string {
  return `${value.toFixed(digits)}${unit === undefined ? '' : ` ${unit}`}`;
}
