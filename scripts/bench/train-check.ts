import type { TrainPrecision } from './train-cases.js';

/** Losses of a step and norms of its gradients, by name. */
export type Check = Record<string, number>;

/**
 * Most that two arms may differ, relative to the value. Sums in another order differ by rounding; the norms of gradients,
 * and the adaptive weight, which is a ratio of two, by more of it.
 */
const tolerances = {
  float32: { losses: 1e-5, gradients: 1e-3 },
  // Ours rounds weights and activations, autocast the operands of convolutions and products only.
  bfloat16: { losses: 0.02, gradients: 0.05 },
};

const ofGradients = /^(weight|gradient \d)$/;

/** Prints by how much two arms' steps differ. @throws Error if they do not do the same */
export function assertSameStep(name: string, ours: Check, theirs: Check, precision: TrainPrecision): void {
  const { losses, gradients } = tolerances[precision];
  const differences = Object.entries(ours).map(([what, value]) => {
    const other = theirs[what] ?? NaN;
    const tolerance = ofGradients.test(what) ? gradients : losses;
    return { what, value, other, apart: Math.abs(value - other) / Math.abs(other), tolerance };
  });
  const told = differences.map(
    ({ what, value, apart }) => `${what} ${value.toPrecision(7)} (${apart.toExponential(0)})`,
  );
  console.log(`${name}, same weights and batch: ${told.join(', ')}`);
  const wrong = differences.filter(({ apart, tolerance }) => !(apart <= tolerance));
  if (wrong.length === 0 && Object.keys(theirs).length === differences.length) return;
  const what = wrong
    .map(({ what, value, other }) => `${what} is ${value} here and ${other} there`)
    .join('; ');
  throw new Error(`${name}: the arms do not do the same: ${what}`);
}
