/**
 * The registry of what libtorch does not look at before it computes, and would crash on or never come back from: the rules
 * of `torch/checks` enter themselves here at import. An overload without a rule costs nothing: its rules are looked up once,
 * when the overload is.
 */
import { ArgumentError, renamed } from './errors.js';
import { fullName, type Schema, type SchemaArgument } from './schema.js';

/** An argument by its schema name; undefined where it is left out. */
export type Given = (name: string) => any;

/** Returns the reason why a call must not be made, or null. */
export type Rule = (given: Given) => string | null;

/** Throws where a call must not be made; takes the arguments in the schema's order. */
export type Check = (args: readonly unknown[]) => void;

/** Returns the rule for an argument by its type and name, wherever it occurs, or null. */
export type ArgumentRule = (argument: SchemaArgument) => Rule | null;

const argumentRules: ArgumentRule[] = [];
const overloadRules: (readonly [RegExp, Rule])[] = [];

/** Adds a rule for arguments of every operator. */
export function checkArguments(rule: ArgumentRule): void {
  argumentRules.push(rule);
}

/** Adds a rule for the overloads whose full name matches: rules are asked in the order in which they were added. */
export function checkOverloads(name: RegExp, rule: Rule): void {
  overloadRules.push([name, rule]);
}

function rulesFor(schema: Schema, name: string): Rule[] {
  const ofArguments = schema.arguments.flatMap((argument) => argumentRules.map((rule) => rule(argument)));
  const ofOverload = overloadRules.filter(([pattern]) => pattern.test(name)).map(([, rule]) => rule);
  return [...ofArguments, ...ofOverload].filter((rule) => rule !== null);
}

/** Returns what the rule says; an error on the way, such as that of a disposed tensor, is the operator's. */
function reasonOf(rule: Rule, given: Given, name: string): string | null {
  try {
    return rule(given);
  } catch (error) {
    throw renamed(error, name);
  }
}

/** Returns what must be checked before calls of the overload, or null if there is nothing. */
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
