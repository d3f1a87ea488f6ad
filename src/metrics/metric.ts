/** Definition of a metric: how it is computed and how reports show it. */
import type { Tensor } from '../torch/index.js';
import type { Protocol } from './protocol.js';

/** Returns the perceptual distance [B, 1, 1, 1] of two batches of images [B, C, H, W] in [−1, 1]. */
export type PerceptualDistance = (a: Tensor, b: Tensor) => Tensor;

/** Held-out images and their reconstructions, both [B, C, H, W] in [−1, 1]. */
export interface Reconstructions {
  images: Tensor;
  reconstruction: Tensor;
  /** Pixels per side of the square that one code stands for. */
  stride: number;
  /** A perceptual distance; null or left out if there are no weights of one. */
  perceptual?: PerceptualDistance | null;
}

/** Training and held-out grids of codes for the second stage, in reading order. */
export interface CodeGrids {
  train: readonly (readonly number[])[];
  heldOut: readonly (readonly number[])[];
  /** Number of different codes. */
  size: number;
  /** Codes in a row of the grid. */
  width: number;
}

/** Measurement of a metric: by one of these functions, or by the stage itself (a loss). */
type Measurement =
  | {
      /** Returns a value per image: [B]; the metric is their mean. Null if the images do not have it. */
      ofImages: (batch: Reconstructions) => Tensor | null;
    }
  | { /** Computes the metric from the counts of the codes. */ ofCounts: (counts: Float64Array) => number }
  | {
      /** Computes the metric from counts [K, K] of label and predicted label; only of label maps. */
      ofConfusion: (counts: Float64Array) => number;
    }
  | { ofGrids: (grids: CodeGrids) => number }
  | { ofLoss: true }
  | { ofStage: true };

/** Words and digits with which a value is shown. */
export interface Shown {
  /** Key in files and events. */
  name: string;
  /** Name in reports. */
  label: string;
  unit?: string;
  /** Digits after the decimal point. */
  digits: number;
  /** Direction of better values. */
  better?: 'higher' | 'lower';
}

/** A metric on held-out data. Everything that prints metrics uses their definitions. */
export type Metric = Measurement &
  Omit<Shown, 'better'> & {
    /** Name in the progress line of the terminal. */
    short: string;
    /** Direction of better values. The stage's first measured metric with this field selects the best checkpoint. */
    better?: 'higher' | 'lower';
    /** Measured only at the end of a run, on all held-out data. */
    atEnd?: true;
    /** Chart that shows it as a curve. */
    curve?: { chart: string; name: string; fromZero?: true };
    /** Conditions of the measurement, for reports that compare runs. */
    protocol?: Protocol;
    /** Draws it as a horizontal line in the chart of another metric, for comparison. */
    level?: { of: string; name: string };
  };

/** Formats a value with its digits and unit: `21.01 dB`. */
export function formatMetric({ digits, unit }: Pick<Shown, 'digits' | 'unit'>, value: number): string {
  return `${value.toFixed(digits)}${unit === undefined ? '' : ` ${unit}`}`;
}
