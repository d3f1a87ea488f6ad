import { acrossCopies } from './across-copies.js';
import { ArgumentError } from './errors.js';

/**
 * A number that stays a float where a schema takes any scalar, even if it is integral.
 *
 * @example
 * ```ts
 * const x = torch.tensor([1n, 2n]).mul(new torch.FloatScalar(2)); // float32, where mul(2) is int64
 * ```
 */
export class FloatScalar {
  // Makes the class a nominal type: an arbitrary object with a value is not a scalar.
  declare private readonly brand: never;
  /** The number, integral or not. */
  readonly value: number;
  constructor(value: number) {
    this.value = checked(value);
  }
}

/**
 * A complex number as an operator's scalar argument or result.
 *
 * @example
 * ```ts
 * const x = torch.ones([2]).mul(new torch.ComplexScalar(0, 1)); // complex64
 * ```
 */
export class ComplexScalar {
  declare private readonly brand: never;
  /** Real part. */
  readonly re: number;
  /** Imaginary part. */
  readonly im: number;
  constructor(re: number, im: number) {
    this.re = checked(re);
    this.im = checked(im);
  }
}

acrossCopies(FloatScalar, 'FloatScalar');
acrossCopies(ComplexScalar, 'ComplexScalar');

/**
 * The values that an operator accepts for `Scalar` in its schema: an integral number is an integer, a fractional one a
 * float; a boolean and a bigint keep their kind.
 */
export type Scalar = number | boolean | bigint | FloatScalar | ComplexScalar;

/** Makes an explicit float: `x.add(torch.floatScalar(2))` promotes an integer tensor, `x.add(2)` does not. */
export function floatScalar(value: number): FloatScalar {
  return new FloatScalar(value);
}

/** Makes a complex number as a scalar argument: `x.mul(torch.complexScalar(0, 1))`. */
export function complexScalar(re: number, im: number): ComplexScalar {
  return new ComplexScalar(re, im);
}

function checked(value: number): number {
  if (typeof value === 'number') return value;
  throw new ArgumentError(`a scalar takes numbers, not a ${typeof value}`, {
    operator: 'torch.scalar',
  });
}
