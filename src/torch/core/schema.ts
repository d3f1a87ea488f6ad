/** One argument of an operator, read from its schema. */
export interface SchemaArgument {
  name: string;
  /** The type's name without `?`, list brackets and alias marks: `Tensor`, `int`, `Scalar`, `ScalarType`, … */
  base: string;
  optional: boolean;
  /** A list: `[]`, or the fixed size of `int[2]`, for which a single number is also accepted. */
  list: boolean;
  size: number | null;
  /** Elements of the list may be null (`Tensor?[]`). */
  elementOptional: boolean;
  /** Keyword-only: after the `*`. */
  keywordOnly: boolean;
  default: string | null;
  /** The alias set that the operator writes to (`a` of `Tensor(a!)`). */
  written: string | null;
  /** The alias set that the argument belongs to, written to or not (`a` of `Tensor(a)`). */
  alias: string | null;
}

export interface Schema {
  /** The name without the overload, such as `aten::add`. */
  name: string;
  overload: string;
  arguments: SchemaArgument[];
  returns: { type: string; written: string | null; alias: string | null }[];
  text: string;
}

/** Reads a schema as the dispatcher prints it: `aten::add.Tensor(Tensor self, …, *, Scalar alpha=1) -> Tensor`. */
export function parseSchema(text: string): Schema {
  const open = text.indexOf('(');
  const close = text.indexOf(') -> ');
  const [name = '', overload = ''] = text.slice(0, open).split('.');
  const args: SchemaArgument[] = [];
  let keywordOnly = false;
  for (const part of splitTopLevel(text.slice(open + 1, close))) {
    if (part === '*') keywordOnly = true;
    else args.push(parseArgument(part, keywordOnly));
  }
  const returned = text.slice(close + ') -> '.length);
  const inner = returned.startsWith('(') ? returned.slice(1, -1) : returned;
  const returns = splitTopLevel(inner).map((part) => {
    const type = part.split(' ')[0]!;
    return { type: type.replace(/\([^)]*\)/, ''), written: writtenSet(type), alias: aliasSet(type) };
  });
  return { name, overload, arguments: args, returns, text };
}

function parseArgument(part: string, keywordOnly: boolean): SchemaArgument {
  const [declaration = '', ...defaults] = splitOnce(part, '=');
  const space = declaration.lastIndexOf(' ');
  const type = declaration.slice(0, space).trim();
  const bare = type.replace(/\([^)]*\)/, '');
  const shape = /^([A-Za-z_.]+)(\?)?(?:\[(\d*)\])?(\?)?/.exec(bare);
  const list = bare.includes('[');
  return {
    name: declaration.slice(space + 1).trim(),
    base: (shape?.[1] ?? bare).replace(/^SymInt$/, 'int'),
    optional: bare.endsWith('?'),
    list,
    size: list && shape?.[3] ? Number(shape[3]) : null,
    elementOptional: list && shape?.[2] === '?',
    keywordOnly,
    default: defaults.length > 0 ? defaults.join('=').trim() : null,
    written: writtenSet(type),
    alias: aliasSet(type),
  };
}

function writtenSet(type: string): string | null {
  return /\((\w+)!/.exec(type)?.[1] ?? null;
}

function aliasSet(type: string): string | null {
  return /\((\w+)/.exec(type)?.[1] ?? null;
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"' || c === "'") quoted = !quoted;
    if (quoted) continue;
    if ('([{'.includes(c)) depth++;
    if (')]}'.includes(c)) depth--;
    if (c === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  const last = text.slice(start).trim();
  return last ? [...parts, last] : parts;
}

/** Returns the name with the overload, such as `aten::add.Tensor`. */
export function fullName({ name, overload }: Schema): string {
  return overload ? `${name}.${overload}` : name;
}

/**
 * Converts `masked_fill_` to `maskedFill_` and `linalg_norm` to `linalgNorm`; a leading and a trailing underscore stay.
 */
export function camelCase(name: string): string {
  return name.replace(/(?<=[A-Za-z0-9])_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Converts camelCase to snake_case. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
}
