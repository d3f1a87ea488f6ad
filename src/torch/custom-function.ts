import { isGradEnabled, noGrad } from './core/autograd.js';
import { zeros } from './creation.js';
import { ArgumentError } from './core/errors.js';
import { translated } from './core/translated.js';
import { onTheWire } from './hooks.js';
import { native } from './native/load.js';
import { putHandles } from './native/wire.js';
import { Tensor } from './core/tensor.js';

/**
 * Values that `forward` saves for `backward`.
 *
 * @example
 * ```ts
 * const clipped = torch.customFunction({
 *   forward(context: torch.FunctionContext, x: Tensor, limit: number) {
 *     context.saveForBackward(x);
 *     context.values.set('limit', limit);
 *     return x.clamp(-limit, limit);
 *   },
 *   backward({ savedTensors: [x], values }, gradient) {
 *     return gradient.mul(x!.abs().le(values.get('limit') as number));
 *   },
 * });
 * ```
 */
export class FunctionContext {
  /** For each tensor argument, in order: true if its gradient will be needed. */
  readonly needsInputGrad: readonly boolean[];
  /** Tensors for backward; libtorch keeps them with the graph and frees them with it. */
  savedTensors: Tensor[] = [];
  /** Anything else, such as numbers. */
  readonly values = new Map<string, unknown>();

  constructor(needsInputGrad: readonly boolean[]) {
    this.needsInputGrad = needsInputGrad;
  }

  /** Saves inputs, outputs or other tensors for backward, which reads them from `savedTensors`. */
  saveForBackward(...tensors: Tensor[]): void {
    this.savedTensors = tensors;
  }
}

/** An operator whose forward and gradient are written in TypeScript. */
export interface FunctionDefinition<Args extends unknown[], Result extends Tensor | Tensor[]> {
  /** Shown in error messages. */
  name?: string;
  /** Computes new tensors from the arguments, without recording. */
  forward(context: FunctionContext, ...args: Args): Result;
  /**
   * Computes one gradient for each tensor argument, or null, from the gradients of the results (zeros for unused
   * results).
   */
  backward(context: FunctionContext, ...gradients: Tensor[]): Tensor | null | readonly (Tensor | null)[];
}

/**
 * Makes an operator with a custom gradient. Its backward is recorded if `createGraph` is set, so higher-order gradients
 * work. Tensor arguments are those passed directly, not in arrays.
 *
 * @example
 * ```ts
 * const square = torch.customFunction({
 *   forward(context, x: Tensor) { context.saveForBackward(x); return x.mul(x); },
 *   backward({ savedTensors: [x] }, gradient) { return gradient.mul(x!).mul(2); },
 * });
 * const y = square(torch.tensor([3], { requiresGrad: true })); // [9]
 * ```
 */
export function customFunction<Args extends unknown[], Result extends Tensor | Tensor[]>(
  definition: FunctionDefinition<Args, Result>,
): (...args: Args) => Result {
  const name = definition.name ?? 'customFunction';
  return (...args) => {
    const inputs = args.filter((value) => value instanceof Tensor);
    const record = isGradEnabled();
    const context = new FunctionContext(inputs.map((input) => record && input.requiresGrad));
    const result = noGrad(() => definition.forward(context, ...args));
    if (!context.needsInputGrad.includes(true)) return result;
    const outputs = result instanceof Tensor ? [result] : result;
    if (!Array.isArray(outputs) || !outputs.every((output) => output instanceof Tensor)) {
      throw new ArgumentError(`${name}: forward must return a tensor or an array of tensors`);
    }
    if (outputs.some((output) => inputs.includes(output) || output.requiresGrad)) {
      throw new ArgumentError(
        `${name}: forward returned a tensor that it did not create; return a new one, such as x.clone()`,
      );
    }
    setHistory(name, definition, context, inputs, outputs);
    return result;
  };
}

function setHistory<Args extends unknown[], Result extends Tensor | Tensor[]>(
  name: string,
  definition: FunctionDefinition<Args, Result>,
  context: FunctionContext,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
): void {
  const like = outputs.map(({ shape, dtype, device }) => ({ shape, dtype, device }));
  const saved = context.savedTensors;
  // The graph holds them: a reference from here would keep them alive longer.
  context.savedTensors = [];
  const count = inputs.length;
  const callback = onTheWire((tensors) => {
    const gradients = like.map((output, i) => tensors[i] ?? zeros(output.shape, output));
    context.savedTensors = tensors.slice(like.length) as Tensor[];
    try {
      const returned = definition.backward(context, ...gradients);
      const list = returned === null || returned instanceof Tensor ? [returned] : returned;
      if (list.length !== count) {
        throw new ArgumentError(
          `${name}: backward returned ${list.length} gradients for ${count} tensor arguments`,
        );
      }
      return list;
    } finally {
      context.savedTensors = [];
    }
  });
  let end = putHandles(handlesOf(inputs), 0);
  end = putHandles(handlesOf(outputs), end);
  putHandles(handlesOf(saved), end);
  translated(() => native.setHistory(callback, name), name);
}

function handlesOf(tensors: readonly Tensor[]): number[] {
  return tensors.map((tensor) => tensor.handle);
}
