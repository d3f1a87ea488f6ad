/** Rules for arguments that occur in many operators. */
import { checkArguments, type Rule } from '../core/checks.js';
import { describe } from '../core/describe.js';
import type { SchemaArgument } from '../core/schema.js';

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
    return `'${name}' must be one of ${meanings}, not ${describe(value)}`;
  };
}

function layout({ name }: SchemaArgument): Rule {
  return (given) =>
    given(name) === 'mkldnn' || given(name) === 'jagged'
      ? `a tensor cannot be created in the layout '${given(name)}'; make a strided one and convert it`
      : null;
}

checkArguments((argument) => {
  if (argument.base === 'Layout') return layout(argument);
  const values = argument.base === 'int' && !argument.list ? ENUMERATIONS[argument.name] : undefined;
  return values ? enumeration(argument, values) : null;
});
