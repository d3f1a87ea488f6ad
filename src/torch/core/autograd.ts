import { translated } from './translated.js';
import { guard, within, type Enter } from './mode.js';
import { native } from '../native/load.js';
import { putHandles, wire } from '../native/wire.js';
import { describe } from './describe.js';
import { born, type Tensor } from './tensor.js';
import { checkOptions, handlesOf } from './arguments.js';

export interface GradOptions {
  /** One gradient for each output, of the output's shape; not needed for outputs of one element. */
  gradOutputs?: readonly (Tensor | null)[];
  /** Keep the graph for another backward pass. Default: true if `createGraph` is set. */
  retainGraph?: boolean;
  /** Record the computation of the gradients, for gradients of gradients. */
  createGraph?: boolean;
  /** Return null for inputs that the outputs do not depend on, instead of throwing. */
  allowUnused?: boolean;
}

/**
 * Computes the gradients of the sum of `outputs` with respect to `inputs`, without touching any `.grad`.
 * @returns one tensor of each input's shape; null, with `allowUnused`, for an input that no output depends on
 * @throws AutogradError for an input that no output depends on, or if the graph was freed
 *
 * @example
 * ```ts
 * const x = torch.tensor(3, { requiresGrad: true });
 * const [slope] = torch.grad([x.pow(2)], [x], { createGraph: true }); // 6
 * const [curvature] = torch.grad([slope!], [x]); // 2
 * ```
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
  const shown = () => outputs.map(describe).join(', ');
  translated(() => native.grad(retainGraph, createGraph, allowUnused), operator, shown);
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
 * Calls `fn` without recording: no graph is built, nothing inside can be differentiated. Without a function it applies
 * to a block: `using _ = torch.noGrad();`
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const y = torch.noGrad(() => model.forward(torch.randn([4, 8]))); // [4, 2], without a graph
 * ```
 */
export function noGrad<T>(fn: () => T): T;
export function noGrad(): Disposable;
export function noGrad<T>(fn?: () => T): T | Disposable {
  return fn ? within(unrecorded, fn) : guard(unrecorded);
}

/**
 * Calls `fn` with recording, inside `noGrad`. Without a function it applies to a block, like `noGrad`.
 *
 * @example
 * ```ts
 * const x = torch.ones([2], { requiresGrad: true });
 * const y = torch.noGrad(() => torch.enableGrad(() => x.mul(2)));
 * console.log(y.requiresGrad); // true
 * ```
 */
export function enableGrad<T>(fn: () => T): T;
export function enableGrad(): Disposable;
export function enableGrad<T>(fn?: () => T): T | Disposable {
  return fn ? within(recording, fn) : guard(recording);
}

/**
 * Calls `fn` in inference mode. As with `noGrad`, nothing is recorded; in addition, tensors made inside (inference
 * tensors) can never take part in autograd, which saves the bookkeeping of versions and views. Outside the mode an
 * inference tensor can be read and used in computations that are not recorded; saving it for a backward pass, changing
 * it in place or requiring its gradient throws an AutogradError. `clone()` turns it into an ordinary tensor. Tensors
 * from outside stay ordinary, and so do views of them. Without a function it applies to a block:
 * `using _ = torch.inferenceMode();`
 *
 * @param enabled false leaves the mode temporarily, like PyTorch's `inference_mode(False)`
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const y = torch.inferenceMode(() => model.forward(torch.randn([4, 8]))); // [4, 2]
 * ```
 */
export function inferenceMode<T>(fn: () => T): T;
export function inferenceMode(enabled?: boolean): Disposable;
export function inferenceMode<T>(enabled: boolean, fn: () => T): T;
export function inferenceMode<T>(first: boolean | (() => T) = true, fn?: () => T): T | Disposable {
  if (typeof first === 'function') return within(inference(true), first);
  return fn ? within(inference(first), fn) : guard(inference(first));
}

/** True if inference mode is on. */
export function isInferenceModeEnabled(): boolean {
  return native.inferenceMode();
}

/** Switches recording on or off in this thread from now on; returns the previous state. */
export function setGradEnabled(enabled: boolean): boolean {
  return native.setGradMode(enabled);
}

/** True if operators are recorded. */
export function isGradEnabled(): boolean {
  return native.gradMode();
}

/**
 * Calls `fn` with anomaly detection: a backward pass inside it fails with the name of the operator that produced NaN.
 * Slow: use it for debugging.
 *
 * @example
 * ```ts
 * const x = torch.tensor(-1, { requiresGrad: true });
 * torch.detectAnomaly(() => x.sqrt().backward()); // throws an error that names SqrtBackward0
 * ```
 */
export function detectAnomaly<T>(fn: () => T): T {
  const before = native.setAnomalyDetection(true);
  try {
    return fn();
  } finally {
    native.setAnomalyDetection(before);
  }
}
