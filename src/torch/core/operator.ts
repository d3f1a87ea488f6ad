/** The operators of the typed API. An overload is chosen from the kinds of the arguments, never by trial calls. */
import { TENSOR, wire } from '../native/wire.js';
import { describe } from './describe.js';
import { invokeChecked, results, run, writeOne, writeTwo } from './dispatch.js';
import { ArgumentError, UnsafeOperatorError } from './errors.js';
import { KINDS, kindOf, place, signatureOf, trailingOptions } from './overload.js';
import { plan, type Plan } from './plan.js';
import { camelCase } from './schema.js';
import { born, OwnTensor, Tensor } from './tensor.js';

/** An operator with its overloads, one of which is chosen from the types of the arguments. */
export class Operator {
  readonly name: string;
  readonly #overloadNames: readonly string[];
  #overloads: Plan[] | null = null;
  readonly #one: (Plan | undefined)[] = [];
  readonly #two: (Plan | undefined)[] = [];
  readonly #more = new Map<number, Plan>();

  /** @param name without namespace @param overloadNames in the order in which they are tried */
  constructor(name: string, overloads: readonly string[]) {
    this.name = name;
    this.#overloadNames = overloads;
  }

  call1(a: unknown): unknown {
    const plan = this.#one[kindOf(a)];
    if (plan === undefined) return this.call([a]);
    if (a instanceof OwnTensor) {
      const target = wire;
      target[0] = plan.id;
      target[1] = 1;
      target[2] = TENSOR;
      target[3] = a.handle;
    } else {
      writeOne(plan, a);
    }
    run(plan, a, undefined);
    if (plan.single && wire[0] === TENSOR) return born(wire[1]!);
    return results(plan, [a]);
  }

  call2(a: unknown, b: unknown): unknown {
    const plan = this.#two[kindOf(a) * KINDS + kindOf(b)];
    if (plan === undefined) return this.call([a, b]);
    if (a instanceof OwnTensor && b instanceof OwnTensor) {
      const target = wire;
      target[0] = plan.id;
      target[1] = 2;
      target[2] = TENSOR;
      target[3] = a.handle;
      target[4] = TENSOR;
      target[5] = b.handle;
    } else {
      writeTwo(plan, a, b);
    }
    run(plan, a, b);
    if (plan.single && wire[0] === TENSOR) return born(wire[1]!);
    return results(plan, [a, b]);
  }

  /** Calls the operator with any number of arguments; the last may be an options object. */
  call(args: readonly unknown[]): unknown {
    const signature = signatureOf(args);
    const known = signature > 0 ? this.#more.get(signature) : undefined;
    if (known) return invokeChecked(known, args);
    const given = trailingOptions(args);
    const positional = given ? args.slice(0, -1) : args;
    const { options, unsafe } = this.#withoutUnsafe(given);
    for (const plan of this.#plans()) {
      const placed = place(plan.schema, positional, options);
      if (typeof placed === 'string') continue;
      if (plan.unsafe !== null && !unsafe) throw unsafeCall(plan, plan.unsafe);
      if (!given && plan.unsafe === null) this.#remember(plan, args, signature);
      return invokeChecked(plan, placed);
    }
    throw this.#mismatch(positional, options);
  }

  /** Splits off the option `unsafe`, which operators with at least one unsafe overload take. */
  #withoutUnsafe(given: Record<string, unknown> | null): {
    options: Record<string, unknown> | null;
    unsafe: boolean;
  } {
    if (!given || !Object.hasOwn(given, 'unsafe') || this.#plans().every((plan) => plan.unsafe === null))
      return { options: given, unsafe: false };
    const { unsafe, ...options } = given;
    return { options, unsafe: unsafe === true };
  }

  #plans(): Plan[] {
    if (this.#overloads) return this.#overloads;
    // libtorch versions differ in a handful of overloads: an operator is missing only if all of its overloads are.
    const found: Plan[] = [];
    let reason: unknown;
    for (const overload of this.#overloadNames) {
      try {
        found.push(plan(`aten::${this.name}`, overload));
      } catch (error) {
        reason = error;
      }
    }
    if (found.length === 0) throw reason;
    return (this.#overloads = found);
  }

  #remember(plan: Plan, args: readonly unknown[], signature: number): void {
    if (signature === 0) return;
    // The fast paths check nothing.
    if (plan.check !== null) this.#more.set(signature, plan);
    else if (args.length === 1) this.#one[signature % KINDS] = plan;
    else if (args.length === 2) this.#two[signature % (KINDS * KINDS)] = plan;
    else this.#more.set(signature, plan);
  }

  #mismatch(positional: readonly unknown[], options: Record<string, unknown> | null): Error {
    const plans = this.#plans();
    const given = [
      ...positional.map(describe),
      ...Object.entries(options ?? {}).map(([k, v]) => `${k}: ${describe(v)}`),
    ];
    const only = plans.length === 1 ? `: ${String(place(plans[0]!.schema, positional, options))}` : '';
    const schemas = plans.map(({ schema }) => `\n  ${schema.text}`).join('');
    const name = `aten::${this.name}`;
    return new ArgumentError(`${name} does not take (${given.join(', ')})${only}; it takes:${schemas}`, {
      operator: name,
    });
  }
}

function unsafeCall(plan: Plan, reason: string): UnsafeOperatorError {
  return new UnsafeOperatorError(
    `${plan.name} is not safe: ${reason}. If you are sure of the arguments, call it with the option { unsafe: true }`,
    { operator: plan.name },
  );
}

/** Returns a method bound to an operator: `self` is the first argument. */
export function methodOf(operator: Operator): (this: Tensor, ...args: unknown[]) => unknown {
  return function (this: Tensor, a?: unknown) {
    if (arguments.length === 0) return operator.call1(this);
    if (arguments.length === 1) return operator.call2(this, a);
    // oxlint-disable-next-line prefer-rest-params -- a rest parameter would allocate on the short paths
    return operator.call([this, ...arguments]);
  };
}

/** Returns a function bound to an operator. */
export function functionOf(operator: Operator): (...args: unknown[]) => unknown {
  return function (a?: unknown, b?: unknown) {
    if (arguments.length === 1) return operator.call1(a);
    if (arguments.length === 2) return operator.call2(a, b);
    // oxlint-disable-next-line prefer-rest-params
    return operator.call([...arguments]);
  };
}

const operators = new Map<string, Operator>();

/** Defines an operator's function; the generated files give it its type. */
export function define<F>(name: string, overloads: readonly string[]): F {
  const operator = new Operator(name, overloads);
  operators.set(name, operator);
  return functionOf(operator) as F;
}

/**
 * Installs the operators whose first argument is `self` as methods of Tensor, except where Tensor already has the
 * method.
 */
export function installMethods(names: readonly string[]): void {
  for (const name of names) {
    const operator = operators.get(name);
    const key = camelCase(name);
    if (!operator || Object.hasOwn(Tensor.prototype, key)) continue;
    Object.defineProperty(Tensor.prototype, key, {
      value: methodOf(operator),
      writable: true,
      configurable: true,
    });
  }
}
