/** A value that was measured several times. */
export interface MeanAndDeviation {
  mean: number;
  /** Population standard deviation. */
  std: number;
}

/** Returns mean and population standard deviation of at least one value. */
export function meanAndDeviation(values: readonly number[]): MeanAndDeviation {
  const meanOf = (numbers: readonly number[]) =>
    numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const mean = meanOf(values);
  return { mean, std: Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2))) };
}
