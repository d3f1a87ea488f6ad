/** Results with the protocol by which they were measured, and which of them may be compared. */
import type { Protocol } from './protocol.js';

/** Result of measuring one model or set of images. */
export interface Evaluation {
  /** Run, folder or file. */
  what: string;
  /** Values by the names of their metrics. */
  values: Readonly<Record<string, number>>;
  /** Conditions under which they were measured. */
  protocol: Protocol;
}

/**
 * Returns the first field of two protocols that differs, with both values, or null if they are alike. A field that only
 * one of them has differs from undefined.
 *
 * @example
 * ```ts
 * differingField({ size: 64, count: 10 }, { size: 64, count: 20 }); // { field: 'count', values: [10, 20] }
 * ```
 */
export function differingField(
  a: Protocol,
  b: Protocol,
): { field: string; values: [Protocol[string] | undefined, Protocol[string] | undefined] } | null {
  for (const field of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (a[field] !== b[field]) return { field, values: [a[field], b[field]] };
  }
  return null;
}

/**
 * Results that were measured differently.
 *
 * @example
 * ```ts
 * const [a, b] = [64, 128].map((size) => ({ what: `at ${size}`, values: { psnr: 24.3 }, protocol: { size } }));
 * try {
 *   expectAlike([a!, b!]);
 * } catch (error) {
 *   if (error instanceof UnlikeProtocolsError) console.log(error.field); // size
 * }
 * ```
 */
export class UnlikeProtocolsError extends Error {
  /** The field of the protocols that differs. */
  readonly field: string;

  constructor(
    [a, b]: readonly [Evaluation, Evaluation],
    { field, values }: NonNullable<ReturnType<typeof differingField>>,
  ) {
    const [first, second] = values.map((value) => (value === undefined ? 'not given' : String(value)));
    super(
      `${a.what} and ${b.what} cannot be compared: ${field} is ${first} for the first, and ${second} for the second; ` +
        'measure both in the same way and on the same images',
    );
    this.name = 'UnlikeProtocolsError';
    this.field = field;
  }
}

/**
 * Checks that results were measured alike.
 *
 * @throws UnlikeProtocolsError that names the field that differs
 *
 * @example
 * ```ts
 * const result = { what: 'runs/a', values: { psnr: 24.3 }, protocol: { size: 64 } };
 * expectAlike([result, { ...result, what: 'runs/b' }]);
 * ```
 */
export function expectAlike(evaluations: readonly Evaluation[]): void {
  const [first, ...others] = evaluations;
  for (const other of others) {
    const difference = differingField(first!.protocol, other.protocol);
    if (difference) throw new UnlikeProtocolsError([first!, other], difference);
  }
}
