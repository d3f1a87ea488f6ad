import { camelCase, fullName, type Schema } from '../src/torch/core/schema.js';
import { unsafeOperators } from '../src/torch/core/unsafe-operators.js';

// These return their argument itself, or a copy if a view is not possible.
const VIEW_WHERE_POSSIBLE = new Set(
  'reshape reshape_as flatten ravel contiguous to coalesce resolve_conj resolve_neg pin_memory'.split(' '),
);

/**
 * Returns the docstring of a generated function or method: PyTorch's name, then each overload's schema and its
 * aliasing.
 */
export function comment(name: string, schemas: readonly Schema[], indent: string): string {
  const lines = schemas.map(
    (schema) =>
      `${indent} * - \`${schema.text.replaceAll('*/', '* /')}\`${aliasing(schema)}${safety(schema)}`,
  );
  return `${indent}/**\n${indent} * PyTorch's \`${name}\`:\n${lines.join('\n')}\n${indent} */\n`;
}

/**
 * Notes the arguments that are written to, and the results that share memory with one; empty if all results are new
 * tensors.
 */
function aliasing({ name, arguments: args, returns }: Schema): string {
  const written = args.filter((argument) => argument.written !== null);
  const returned = returns.map((result) => result.written).filter((set) => set !== null);
  const notes = written.map((argument) => {
    const self = returned.includes(argument.written!);
    return `changes ${quoted(argument.name)} in place${self ? ' and returns it' : ''}`;
  });
  const short = name.slice('aten::'.length);
  for (const [index, result] of returns.entries()) {
    if (result.alias === null || result.written !== null) continue;
    const source = args.find((argument) => argument.alias === result.alias);
    if (!source) continue;
    const which = returns.length > 1 ? `result ${index + 1} is ` : '';
    const several = result.type.endsWith('[]') ? 'views' : 'a view';
    const copies = VIEW_WHERE_POSSIBLE.has(short) ? `, itself, or a copy where neither is possible` : '';
    notes.push(`${which}${several} of ${quoted(source.name)}${copies}`);
  }
  return notes.length > 0 ? ` (${notes.join('; ')})` : '';
}

/** Notes the reason why the overload requires the option `unsafe`, if it does. */
function safety(schema: Schema): string {
  const reason = unsafeOperators[fullName(schema)];
  return reason === undefined ? '' : ` (not safe: ${reason})`;
}

function quoted(name: string): string {
  return `\`${camelCase(name)}\``;
}
