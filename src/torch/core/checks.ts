/**
 * The registry of checks that libtorch does not make before it computes, and without which it would crash or never
 * return. The rules in `torch/checks` register themselves at import. An overload without a rule costs nothing: its
 * rules are looked up once, with the overload.
 */
import { ArgumentError, renamed } from './errors.js';
import { fullName, type Schema, type SchemaArgument } from './schema.js';

/** Returns an argument by its schema name; undefined if it was omitted. */
export type Given = (name: string) => any;

/** Returns the reason why a call must not be made, or null. */
export type Rule = (given: Given) => string | null;

/** Throws if a call must not be made; takes the arguments in the schema's order. */
export type Check = (args: readonly unknown[]) => void;

/** Returns the rule for an argument by its type and name, in any operator, or null. */
export type ArgumentRule = (argument: SchemaArgument) => Rule | null;

const argumentRules: ArgumentRule[] = [];
const overloadRules: (readonly [RegExp, Rule])[] = [];

/** Adds a rule for arguments of every operator. */
export function checkArguments(rule: ArgumentRule): void {
  argumentRules.push(rule);
}

/** Adds a rule for the overloads whose full name matches. Rules run in the order in which they were added. */
export function checkOverloads(name: RegExp, rule: Rule): void {
  overloadRules.push([name, rule]);
}

function rulesFor(schema: Schema, name: string): Rule[] {
  const ofArguments = schema.arguments.flatMap((argument) => argumentRules.map((rule) => rule(argument)));
  const ofOverload = overloadRules.filter(([pattern]) => pattern.test(name)).map(([, rule]) => rule);
  return [...ofArguments, ...ofOverload].filter((rule) => rule !== null);
}

/**
 * Returns the rule's answer. If it throws, for example for a disposed tensor, the error is reported as the operator's.
 */
function reasonOf(rule: Rule, given: Given, name: string): string | null {
  try {
    return rule(given);
  } catch (error) {
    throw renamed(error, name);
  }
}

/** Returns the check to run before calls of the overload, or null if there is none. */
export function checkFor(schema: Schema): Check | null {
  const name = fullName(schema);
  const rules = rulesFor(schema, name);
  if (rules.length === 0) return null;
  const positions = new Map(schema.arguments.map((argument, i) => [argument.name, i]));
  return (args) => {
    const given: Given = (argument) => args[positions.get(argument) ?? -1];
    for (const rule of rules) {
      const reason = reasonOf(rule, given, name);
      if (reason !== null) throw new ArgumentError(`${name}: ${reason}`, { operator: name });
    }
  };
}
