/** Overloads as the addon knows them: looked up once by name, and called by number afterwards. */
import { native } from '../native/load.js';
import { checkFor, type Check } from './checks.js';
import { translated } from './translated.js';
import { parseSchema, type Schema } from './schema.js';
import { unsafeOperators } from './unsafe-operators.js';

/** An overload that has been looked up, with everything its calls need. */
export interface Plan {
  id: number;
  schema: Schema;
  /** The operator's full name, such as `aten::add.Tensor`. */
  name: string;
  /** For each result: the argument it is identical to (an in-place operator, or an `out`), or -1 for a new value. */
  sameAs: number[];
  /** True if there is one result, and it is new. */
  single: boolean;
  /** The typed API's check before a call. */
  check: Check | null;
  /** The reason why the typed API requires the option `unsafe: true`. */
  unsafe: string | null;
}

/** Looks an overload up. `name` includes the namespace; the overload's name is empty for an operator's first one. */
export function plan(name: string, overload: string): Plan {
  const full = overload ? `${name}.${overload}` : name;
  const resolved = translated(() => native.resolve(name, overload), full);
  const schema = parseSchema(resolved.schema);
  const sameAs = schema.returns.map(({ written }) =>
    written === null ? -1 : schema.arguments.findIndex((argument) => argument.written === written),
  );
  return {
    id: resolved.id,
    schema,
    name: full,
    sameAs,
    single: sameAs.length === 1 && sameAs[0] === -1,
    check: checkFor(schema),
    unsafe: unsafeOperators[full] ?? null,
  };
}

const plans = new Map<string, Map<string, Plan>>();

/** Returns the plan of an overload; it is looked up at its first call. */
export function planOf(name: string, overload: string): Plan {
  let overloads = plans.get(name);
  if (!overloads) plans.set(name, (overloads = new Map()));
  let known = overloads.get(overload);
  if (!known) overloads.set(overload, (known = plan(name, overload)));
  return known;
}
