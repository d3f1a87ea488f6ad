/** The examples in docstrings, found in dist and run with it. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import { transformSync } from 'esbuild';
import { collectReference, type Entry } from '../../scripts/reference/collect.js';
import { packageRoot } from '../../src/files/package.js';
import type * as Library from '../../src/index.js';

export interface Example {
  /** `''` for the package root, else `torch`, `nn`, `nn.init`, `F`, … */
  namespace: string;
  /** The name with its namespace. */
  path: string;
  code: string;
}

// Of dist, which `npm test` builds first.
export const reference = collectReference();

function examplesOf(namespace: string, { name, documentation, members }: Entry): Example[] {
  const path = namespace ? `${namespace}.${name}` : name;
  const texts = [documentation, ...members.map((member) => member.documentation)];
  return texts.flatMap((text) =>
    [...text.matchAll(/@example\s*```ts\n([^]*?)```/g)].map(([, code]) => ({
      namespace,
      path,
      code: code!,
    })),
  );
}

export const examples = [...reference].flatMap(([namespace, entries]) =>
  entries.flatMap((entry) => examplesOf(namespace, entry)),
);

// What finds an anomaly also prints where it is.
const needsMore = /\bawait\b|'cuda'|\btorch\.(cuda|distributed|detectAnomaly)\b/;

/** Runs those examples that need no file, no other process and no GPU; returns what {@link runExample} does. */
export async function runExamples(list: readonly Example[]): Promise<{ claims: number; problems: string[] }> {
  const all = { claims: 0, problems: [] as string[] };
  for (const { path, code } of list.filter((example) => !needsMore.test(example.code))) {
    const { claims, problems } = await runExample(code);
    all.claims += claims;
    all.problems.push(...problems.map((problem) => `${path}: ${problem}`));
  }
  return all;
}

/**
 * Runs an example. Where the comment after a `const` or a statement consists of shapes or values, such as `// [4, 2]` or
 * `// 0.5, true`, or begins with them (`// [4, 2]: two columns`), these must be what the names hold or the statement gives:
 * the shape of a tensor, or the value, to the digits that are written. A statement followed
 * by `// throws a ShapeError` must throw an error of that name, one followed by `// throws an error` any.
 *
 * @returns the number of such comments, and what was wrong
 */
export async function runExample(code: string): Promise<{ claims: number; problems: string[] }> {
  const address = pathToFileURL(join(packageRoot(), 'dist', 'index.js')).href;
  const library = (await import(address)) as typeof Library;
  let claims = 0;
  const problems: string[] = [];
  const check = (line: string, said: unknown[], held: unknown[]): void => {
    claims++;
    const isTensor = (value: unknown) => value instanceof library.torch.Tensor;
    const found = held.map((value) => (isTensor(value) ? value.shape : value));
    const holds = (one: unknown, i: number): boolean =>
      isAsSaid(found[i], one) || (isTensor(held[i]) && isAsSaid(held[i].tolist(), one));
    if (held.length < said.length || !said.every(holds))
      problems.push(`${line} is ${found.map(shown).join(', ')}`);
  };
  const checkThrows = (line: string, name: string, call: () => void): void => {
    claims++;
    try {
      call();
    } catch (error) {
      const thrown = (error as Error).name;
      if (name !== 'error' && name !== thrown) problems.push(`${line} throws a ${thrown}`);
      return;
    }
    problems.push(`${line} throws nothing`);
  };
  const console = { log: () => {}, error: () => {} };
  const scope: Record<string, unknown> = { ...library, console, check, checkThrows };
  const threads = library.torch.getNumThreads();
  try {
    const { code: script } = transformSync(withChecks(code), { loader: 'ts', target: 'node20.19' });
    // In a block, because an example may declare a name that the package exports.
    const run = compileFunction(`'use strict'; {${script}\n}`, Object.keys(scope)) as (
      ...values: unknown[]
    ) => void;
    run(...Object.values(scope));
  } catch (error) {
    problems.push(String(error));
  } finally {
    library.torch.useDeterministicAlgorithms(false);
    library.torch.setNumThreads(threads);
  }
  return { claims, problems };
}

/** Puts a check after each declaration with such a comment, around each statement with one, and around those that throw. */
function withChecks(code: string): string {
  let pattern = '';
  const lines = code.split('\n').map((line) => {
    pattern = /^const (\S.*?) = /.exec(line)?.[1] ?? pattern;
    const [, statement, error] = /^(\S.*;) *\/\/ throws an? (\w+)/.exec(line) ?? [];
    if (statement !== undefined)
      return `checkThrows(${JSON.stringify(line)}, '${error}', () => {${statement}});`;
    const [, before, comment = ''] = /^(\S.*); *\/\/ (.+)$/.exec(line) ?? [];
    const said = before === undefined ? null : valuesIn(comment);
    if (said === null) return line;
    const checkOf = (values: string) =>
      `check(${JSON.stringify(line)}, ${JSON.stringify(said)}, [${values}]);`;
    if (!/^(const\b|[)\]}])/.test(line))
      return /^(let|using|for|if|throw|console)\b/.test(line) ? line : checkOf(`(${before})`);
    if (pattern === '') return line;
    const several = /^[{[]/.test(pattern);
    const names = several ? pattern.match(/\w+(?=\s*[,}\]])/g)! : [/^\w+/.exec(pattern)![0]];
    return `${line}\n${checkOf(names.join(', '))}`;
  });
  return lines.join('\n');
}

/** Numbers are kept as they are written, after this sign. */
const NUMBER = '#';

/**
 * Returns the values that a comment consists of, or those before a colon, or before a comma and prose; null if there are
 * none.
 */
function valuesIn(comment: string): unknown[] | null {
  const [, first] = /^(.*?)(?::|, (?=[a-z]+\b(?<!true|false|null)))/.exec(comment) ?? [];
  return parsed(comment) ?? (first === undefined ? null : parsed(first));
}

function parsed(text: string): unknown[] | null {
  const quoted = text
    .replaceAll("'", '"')
    .replace(/(?<![\w."])-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?n?|Infinity|NaN)(?![\w."])/g, `"${NUMBER}$&"`);
  try {
    return JSON.parse(`[${quoted}]`) as unknown[];
  } catch {
    return null;
  }
}

function isAsSaid(found: unknown, said: unknown): boolean {
  if (Array.isArray(said)) {
    const list = ArrayBuffer.isView(found) ? [...(found as Uint8Array)] : found;
    return (
      Array.isArray(list) && list.length === said.length && said.every((one, i) => isAsSaid(list[i], one))
    );
  }
  if (typeof said !== 'string' || !said.startsWith(NUMBER)) return found === said;
  return ['number', 'bigint'].includes(typeof found) && isNumber(Number(found), said.slice(NUMBER.length));
}

/** True for the number that was written, to the digits that are written. */
function isNumber(found: number, written: string): boolean {
  const said = Number(written.replace(/n$/, ''));
  if (!Number.isFinite(said)) return Object.is(found, said);
  const [, decimals = '', exponent = '0'] = /^[^.e]*(?:\.(\d+))?(?:e(.*))?$/.exec(written)!;
  const isWhole = decimals === '' && exponent === '0';
  const unit = isWhole ? 1e-4 : 10 ** (Number(exponent) - decimals.length);
  return Math.abs(found - said) <= unit * (0.5 + 1e-3);
}

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? Number(part) : part));
