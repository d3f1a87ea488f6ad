/**
 * What libtorch does not look at before it computes, and would crash on or never come back from: found here before the
 * call. An overload without any such argument costs nothing: checks are looked up once, when the overload is.
 */
import { describe } from '../core/describe.js';
import { ArgumentError, renamed } from '../core/errors.js';
import { fullName, type Schema, type SchemaArgument } from '../core/schema.js';
import { overloadRules } from './overloads.js';

/** An argument by its schema name; undefined where it is left out. */
export type Given = (name: string) => any;

/** The reason why a call must not be made, or null. */
export type Rule = (given: Given) => string | null;

/** Throws where a call must not be made; the arguments in the schema's order. */
export type Check = (args: readonly unknown[]) => void;

const ENUMERATIONS: Readonly<Record<string, readonly string[]>> = {
  reduction: ['none', 'mean', 'sum'],
  interpolation_mode: ['bilinear', 'nearest', 'bicubic'],
  padding_mode: ['zeros', 'border', 'reflection'],
};

function enumeration({ name }: SchemaArgument, values: readonly string[]): Rule {
  return (given) => {
    const value: unknown = given(name);
    if (value === undefined || value === null || (Number(value) >= 0 && Number(value) < values.length))
      return null;
    const meanings = values.map((meaning, number) => `${number} (${meaning})`).join(', ');
    return `'${name}' is one of ${meanings}, not ${describe(value)}`;
  };
}

function layout({ name }: SchemaArgument): Rule {
  return (given) =>
    given(name) === 'mkldnn' || given(name) === 'jagged'
      ? `no tensor is created in the layout '${given(name)}'; make a strided one and convert it`
      : null;
}

function ruleFor(argument: SchemaArgument): Rule | null {
  if (argument.base === 'Layout') return layout(argument);
  const values = argument.base === 'int' && !argument.list ? ENUMERATIONS[argument.name] : undefined;
  return values ? enumeration(argument, values) : null;
}

/** What the rule says; an error on the way, such as that of a disposed tensor, is the operator's. */
function reasonOf(rule: Rule, given: Given, name: string): string | null {
  try {
    return rule(given);
  } catch (error) {
    throw renamed(error, name);
  }
}

/** What must be checked before calls of the overload, or null where there is nothing. */
export function checkFor(schema: Schema): Check | null {
  const name = fullName(schema);
  const rules = [...schema.arguments.map(ruleFor), ...overloadRules(name)].filter((rule) => rule !== null);
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
