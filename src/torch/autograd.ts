import { translate } from './errors.js';
import { native } from './native/load.js';
import { putHandles, wire } from './native/wire.js';
import { describe } from './describe.js';
import { born, type Tensor } from './tensor.js';

export interface GradOptions {
  /** One for each output, of its shape; not needed for outputs of one element. */
  gradOutputs?: readonly (Tensor | null)[];
  /** Keep the graph for another backward; by default only where `createGraph` is set. */
  retainGraph?: boolean;
  /** Record the computation of the gradients, for gradients of gradients. */
  createGraph?: boolean;
  /** Give null for inputs that the outputs do not depend on, in place of an error. */
  allowUnused?: boolean;
}

/**
 * Gradients of the sum of `outputs` with respect to `inputs`, without touching any `.grad`.
 * @returns one tensor of each input's shape; null, with `allowUnused`, for an input without influence
 * @throws AutogradError for an input without influence, or where the graph was freed
 */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions & { allowUnused: true },
): (Tensor | null)[];
export function grad(outputs: readonly Tensor[], inputs: readonly Tensor[], options?: GradOptions): Tensor[];
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradOptions = {},
): (Tensor | null)[] {
  const { gradOutputs = [], createGraph = false, retainGraph = createGraph, allowUnused = false } = options;
  let end = putHandles(
    outputs.map((tensor) => tensor.handle),
    0,
  );
  end = putHandles(
    inputs.map((tensor) => tensor.handle),
    end,
  );
  putHandles(
    gradOutputs.map((tensor) => tensor?.handle ?? 0),
    end,
  );
  try {
    native.grad(retainGraph, createGraph, allowUnused);
  } catch (error) {
    throw translate(error, 'grad', () => outputs.map(describe).join(', '));
  }
  const handles = Array.from(wire.subarray(0, inputs.length));
  return handles.map((handle) => (handle === 0 ? null : born(handle)));
}

function withGradMode<T>(enabled: boolean, fn: () => T): T {
  const before = native.setGradMode(enabled);
  try {
    const result = fn();
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new TypeError(
        'noGrad and enableGrad cannot wait: use them around the synchronous parts of an async function',
      );
    }
    return result;
  } finally {
    native.setGradMode(before);
  }
}

/** Ends with `using`, and puts the mode back that was there before. */
function modeGuard(enabled: boolean): Disposable {
  const before = native.setGradMode(enabled);
  return { [Symbol.dispose]: () => void native.setGradMode(before) };
}

/**
 * Calls `fn` without recording: no graph is built, nothing inside can be differentiated. Without a function it holds for
 * a block: `using _ = torch.noGrad();`
 */
export function noGrad<T>(fn: () => T): T;
export function noGrad(): Disposable;
export function noGrad<T>(fn?: () => T): T | Disposable {
  return fn ? withGradMode(false, fn) : modeGuard(false);
}

/** Calls `fn` with recording, inside `noGrad`; without a function for a block, as `noGrad`. */
export function enableGrad<T>(fn: () => T): T;
export function enableGrad(): Disposable;
export function enableGrad<T>(fn?: () => T): T | Disposable {
  return fn ? withGradMode(true, fn) : modeGuard(true);
}

/** Switches recording on or off for what follows in this thread; gives what it was. */
export function setGradEnabled(enabled: boolean): boolean {
  return native.setGradMode(enabled);
}

/** Whether operators are recorded. */
export function isGradEnabled(): boolean {
  return native.gradMode();
}

/**
 * Calls `fn` with anomaly detection: a backward pass inside it fails with the name of the operator that gave nan.
 * Slow; for finding mistakes.
 */
export function detectAnomaly<T>(fn: () => T): T {
  const before = native.setAnomalyDetection(true);
  try {
    return fn();
  } finally {
    native.setAnomalyDetection(before);
  }
}
