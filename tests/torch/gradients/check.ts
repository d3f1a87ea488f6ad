import * as torch from '../../../src/torch/index.js';
import { gradcheck, Tensor } from '../../../src/torch/index.js';
import type { Schema } from '../../../src/torch/core/schema.js';
import { Derived, type Sample } from './sample.js';

/** The sample's leaves in the order of its arguments. */
function leavesOf(sample: Sample): Tensor[] {
  const found: Tensor[] = [];
  const visit = (value: unknown): void => {
    if (value instanceof Derived) visit(value.from);
    else if (value instanceof Tensor && value.requiresGrad) found.push(value);
    else if (Array.isArray(value)) value.forEach(visit);
  };
  visit(sample.args);
  visit(Object.values(sample.kwargs ?? {}));
  return found;
}

/** The overload as a function of the sample's leaves; what it writes to is copied first, and so are leaves it views. */
function asFunction(schema: Schema, sample: Sample): (...leaves: Tensor[]) => Tensor[] {
  return (...leaves) => {
    let next = 0;
    const fill = (value: unknown, copy: boolean): unknown => {
      if (value instanceof Derived) {
        const made = value.make(leaves[next++]!);
        return copy && made instanceof Tensor ? made.clone() : made;
      }
      if (value instanceof Tensor) {
        const given = value.requiresGrad ? leaves[next++]! : value;
        return copy ? given.clone() : given;
      }
      return Array.isArray(value) ? value.map((one) => fill(one, copy)) : value;
    };
    const written = (index: number): boolean => schema.arguments[index]?.written != null;
    const args = sample.args.map((value, index) => fill(value, written(index)));
    const kwargs = Object.fromEntries(
      Object.entries(sample.kwargs ?? {}).map(([key, value]) => [key, fill(value, false)]),
    );
    // Random operators give the same numbers at every call.
    torch.manualSeed(7);
    const result: unknown = torch.callOperator(schema.name, schema.overload, args, kwargs);
    // An operator in place without a result (the _foreach kind) leaves its results in its arguments.
    const given = schema.returns.length > 0 ? result : args.filter((_, index) => written(index));
    const results = sample.compare ? sample.compare([given].flat(2)) : given;
    return [results].flat(3).filter((one) => one instanceof Tensor);
  };
}

/** Runs the sample once: the results that autograd recorded, and whether all of them are finite. */
export function evaluate(schema: Schema, sample: Sample): { recorded: number; finite: boolean } {
  return torch.scope(() => {
    const results = asFunction(schema, sample)(...leavesOf(sample)).filter((one) => one.requiresGrad);
    const finite = results.every((one) => one.isfinite().all().item());
    return { recorded: results.length, finite };
  });
}

/** @throws AutogradError where the gradients of the overload differ from finite differences */
export function check(schema: Schema, sample: Sample): void {
  torch.scope(() => gradcheck(asFunction(schema, sample), leavesOf(sample)));
}

/** An overload's name as PyTorch writes it, such as `add.Tensor`. */
export function overloadName({ name, overload }: Schema): string {
  const short = name.slice('aten::'.length);
  return overload ? `${short}.${overload}` : short;
}
