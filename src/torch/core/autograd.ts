import { translate } from './errors.js';
import { guard, within, type Enter } from './mode.js';
import { native } from '../native/load.js';
import { putHandles, wire } from '../native/wire.js';
import { describe } from './describe.js';
import { born, type Tensor } from './tensor.js';
import { checkOptions, handlesOf } from './arguments.js';

/** Options of {@link grad}. */
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
  const operator = 'torch.grad';
  checkOptions(options, operator);
  const { gradOutputs = [], createGraph = false, retainGraph = createGraph, allowUnused = false } = options;
  const gradients = handlesOf(gradOutputs, operator, true);
  const wanted = handlesOf(inputs, operator);
  putHandles(gradients, putHandles(wanted, putHandles(handlesOf(outputs, operator), 0)));
  try {
    native.grad(retainGraph, createGraph, allowUnused);
  } catch (error) {
    throw translate(error, operator, () => outputs.map(describe).join(', '));
  }
  const handles = Array.from(wire.subarray(0, inputs.length));
  return handles.map((handle) => (handle === 0 ? null : born(handle)));
}

const gradMode = (enabled: boolean): Enter => {
  return () => {
    const before = native.setGradMode(enabled);
    return () => void native.setGradMode(before);
  };
};

const recording = gradMode(true);
const unrecorded = gradMode(false);

const inference = (enabled: boolean): Enter => {
  return () => {
    native.enterInferenceMode(enabled);
    return () => native.leaveInferenceMode();
  };
};

/**
 * Calls `fn` without recording: no graph is built, nothing inside can be differentiated. Without a function it holds for
 * a block: `using _ = torch.noGrad();`
 */
export function noGrad<T>(fn: () => T): T;
export function noGrad(): Disposable;
export function noGrad<T>(fn?: () => T): T | Disposable {
  return fn ? within(unrecorded, fn) : guard(unrecorded);
}

/** Calls `fn` with recording, inside `noGrad`; without a function for a block, as `noGrad`. */
export function enableGrad<T>(fn: () => T): T;
export function enableGrad(): Disposable;
export function enableGrad<T>(fn?: () => T): T | Disposable {
  return fn ? within(recording, fn) : guard(recording);
}

/**
 * Calls `fn` in inference mode: beyond `noGrad`, what is made inside (an inference tensor) can never take part in
 * autograd, which saves the bookkeeping of versions and views. Outside the mode an inference tensor may be read and
 * computed with where nothing is recorded; saving it for a backward pass, changing it in place and asking it for gradients
 * are an AutogradError; `clone()` makes an ordinary tensor of it. Tensors from outside stay ordinary, views of them too.
 * Without a function it holds for a block: `using _ = torch.inferenceMode();`
 *
 * @param enabled false leaves the mode for a while, as PyTorch's `inference_mode(False)`
 */
export function inferenceMode<T>(fn: () => T): T;
export function inferenceMode(enabled?: boolean): Disposable;
export function inferenceMode<T>(enabled: boolean, fn: () => T): T;
export function inferenceMode<T>(first: boolean | (() => T) = true, fn?: () => T): T | Disposable {
  if (typeof first === 'function') return within(inference(true), first);
  return fn ? within(inference(first), fn) : guard(inference(first));
}

/** Whether inference mode is on. */
export function isInferenceModeEnabled(): boolean {
  return native.inferenceMode();
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
