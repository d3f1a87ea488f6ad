import { grad, noGrad } from './core/autograd.js';
import { isComplex } from './core/dtype.js';
import { ArgumentError, AutogradError } from './core/errors.js';
import { scope } from './core/scope.js';
import { Tensor } from './core/tensor.js';
import { isContiguous } from './core/layout.js';

type Checked = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

export interface GradcheckOptions {
  /** Step of the finite differences. Default 1e-6. */
  eps?: number;
  /** Absolute and relative tolerance. Defaults 1e-5 and 1e-3. */
  atol?: number;
  rtol?: number;
}

/**
 * Compares a function's gradients with finite differences, element by element. For small float64 tensors. Complex
 * outputs are compared by their real and imaginary parts.
 * @param fn from the inputs to a tensor or several; called many times, so it must be deterministic
 * @param inputs those that require gradients are checked
 * @returns true
 * @throws AutogradError that names the first element in disagreement; ArgumentError for inputs that are not contiguous
 * leaves of dtype float64
 *
 * @example
 * ```ts
 * const x = torch.randn([3], { dtype: 'float64', requiresGrad: true });
 * torch.gradcheck((x) => x.sin(), [x]); // true
 * ```
 */
export function gradcheck(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  { eps = 1e-6, atol = 1e-5, rtol = 1e-3 }: GradcheckOptions = {},
): true {
  const checked = inputs.filter((input) => input.requiresGrad);
  if (checked.length === 0 || checked.some((input) => !isCheckable(input))) {
    throw new ArgumentError(
      'gradcheck takes contiguous leaves of dtype float64, at least one of which must require gradients',
    );
  }
  return scope(() => {
    const outputs = flatOutputs(fn(...inputs));
    // All gradients are computed before the first finite difference: those change the inputs, and a graph would notice.
    const analytic = outputs.map((output) => (output.requiresGrad ? jacobian(output, checked) : null));
    for (const [i, input] of checked.entries()) {
      const finite = differences(fn, inputs, input, eps);
      for (const [o, rows] of analytic.entries()) {
        const columns = finite.map((column) => column[o]!);
        if (rows) compare(rows[i]!, columns, [o, i], atol, rtol);
      }
    }
    return true;
  });
}

function isCheckable(input: Tensor): boolean {
  return input.dtype === 'float64' && input.isLeaf && isContiguous(input);
}

/** Returns complex outputs as pairs of real and imaginary parts. */
function flatOutputs(result: Tensor | readonly Tensor[]): Tensor[] {
  return (result instanceof Tensor ? [result] : result).map((output) =>
    (isComplex(output.dtype) ? output.resolveConj().viewAsReal() : output).reshape([-1]),
  );
}

/** Returns, for each input, rows by output element: d output[row] / d input[column]. */
function jacobian(output: Tensor, inputs: readonly Tensor[]): Float64Array[][] {
  const rows: Float64Array[][] = inputs.map(() => []);
  for (let k = 0; k < output.numel(); k++) {
    scope(() => {
      const gradients = grad([output.select(0, k)], inputs, { retainGraph: true, allowUnused: true });
      gradients.forEach((gradient, i) => {
        const row = gradient ? gradient.toTypedArray() : new Float64Array(inputs[i]!.numel());
        rows[i]!.push(row as Float64Array);
      });
    });
  }
  return rows;
}

/** Computes the derivative of every output by central differences, for each element of the input. */
function differences(fn: Checked, inputs: readonly Tensor[], input: Tensor, eps: number): Float64Array[][] {
  const values = input.detach().view([-1]);
  const numbers = (output: Tensor) => output.double().toTypedArray() as Float64Array;
  const evaluate = () => scope(() => noGrad(() => flatOutputs(fn(...inputs)).map(numbers)));
  const columns: Float64Array[][] = [];
  for (let j = 0; j < values.numel(); j++) {
    const place = values.select(0, j);
    const before = place.item();
    place.fill_(before + eps);
    const above = evaluate();
    place.fill_(before - eps);
    const below = evaluate();
    place.fill_(before);
    columns.push(above.map((output, o) => output.map((value, k) => (value - below[o]![k]!) / (2 * eps))));
  }
  return columns;
}

function compare(
  rows: Float64Array[],
  columns: Float64Array[],
  [output, input]: [number, number],
  atol: number,
  rtol: number,
): void {
  for (const [k, row] of rows.entries()) {
    for (const [j, analytic] of row.entries()) {
      const finite = columns[j]![k]!;
      if (Math.abs(analytic - finite) <= atol + rtol * Math.abs(finite)) continue;
      throw new AutogradError(
        `the gradient of output ${output}, element ${k}, by input ${input}, element ${j}, is ${analytic}; ` +
          `finite differences give ${finite}`,
      );
    }
  }
}
