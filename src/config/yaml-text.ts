/** YAML of configuration files: its merge keys, anchors and mistakes. */
import { isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, ParsedNode } from 'yaml';
import { ConfigFileError } from './file-error.js';

/** A text of YAML, read. */
export interface YamlText {
  readonly content: unknown;
  readonly document: Document.Parsed<ParsedNode>;
  readonly lines: LineCounter;
}

/**
 * Reads YAML (JSON is YAML) with merge keys: `<<: *anchor`, or a list of such.
 *
 * @param name what errors call the text
 * @throws ConfigFileError with the line of what is not YAML
 */
export function parseYamlText(text: string, name: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true });
  const [fault] = document.errors;
  if (fault) {
    const { line } = lines.linePos(fault.pos[0]);
    const what = fault.message.split('\n')[0]?.replace(/ at line.*/, '');
    // The parser's own advice is for programs.
    const severalDocuments =
      fault.code === 'MULTIPLE_DOCS' ? 'a second document begins here; keep one a file' : null;
    throw new ConfigFileError(`${name}:${line}: ${severalDocuments ?? `not valid YAML: ${what}`}`);
  }
  resolveTags(document, lines, name);
  checkAliases(document, lines, name);
  try {
    return { content: document.toJS() as unknown, document, lines };
  } catch (cause) {
    throw new ConfigFileError(`${name}: not valid YAML: ${(cause as Error).message}`, { cause });
  }
}

const STANDARD = 'tag:yaml.org,2002:';
/** Tags that the parser gives a value for, or whose value is the same without them. */
const KNOWN_TAGS = new Set(
  [
    'map',
    'seq',
    'str',
    'int',
    'float',
    'bool',
    'null',
    'python/tuple',
    'python/list',
    'python/dict',
    'python/str',
  ].map((tag) => STANDARD + tag),
);

/**
 * Gives scalars the type that their tag names (`!!float 3`), which the parser does for its own spelling of it only.
 * @throws ConfigFileError for a tag that is not known: what it stands for would be lost
 */
function resolveTags(document: Document.Parsed<ParsedNode>, lines: LineCounter, name: string): void {
  visit(document, {
    Node: (_, node) => {
      const { tag, range } = node as { tag?: string; range?: readonly number[] | null };
      if (tag === undefined || tag === '!') return;
      const fail = (what: string): never => {
        const { line } = lines.linePos(range?.[0] ?? 0);
        throw new ConfigFileError(`${name}:${line}: ${what}`);
      };
      const shown = tag.replace(STANDARD, '!!');
      if (!KNOWN_TAGS.has(tag)) fail(`the tag ${shown} is not known here; write the value without it`);
      if (!isScalar(node) || typeof node.value !== 'string' || !/:(int|float|bool|null)$/.test(tag)) return;
      const number = Number(node.value);
      if (tag.endsWith('float') && node.value.trim() !== '' && !Number.isNaN(number)) node.value = number;
      else fail(`${JSON.stringify(node.value)} is no ${shown}`);
    },
  });
}

/** @throws ConfigFileError for an alias whose anchor does not stand before it, or holds it */
function checkAliases(document: Document.Parsed<ParsedNode>, lines: LineCounter, name: string): void {
  const anchors = new Map<string, unknown>();
  visit(document, {
    Node: (_, node) => {
      const { anchor } = node as { anchor?: string };
      if (anchor !== undefined) anchors.set(anchor, node);
    },
    Alias: (_, { source, range }, path) => {
      const { line } = lines.linePos(range![0]);
      if (path.some((node) => node === anchors.get(source)))
        throw new ConfigFileError(`${name}:${line}: "*${source}" stands inside what it refers to`);
      if (anchors.has(source)) return;
      throw new ConfigFileError(
        `${name}:${line}: "*${source}" refers to nothing: no anchor &${source} stands before it`,
      );
    },
  });
}

/** The names at the top of a document below which an anchor stands that something else refers to. */
export function anchoredNames({ document }: YamlText): string[] {
  const wanted = new Set<string>();
  visit(document, { Alias: (_, { source }) => void wanted.add(source) });
  const names = new Set<string>();
  visit(document, {
    Node: (_, node, path) => {
      const anchor = (node as { anchor?: string }).anchor;
      const top = path.find((parent) => 'key' in parent) as { key?: { value?: unknown } } | undefined;
      const name = top?.key?.value;
      if (anchor !== undefined && wanted.has(anchor) && typeof name === 'string') names.add(name);
    },
  });
  return [...names];
}
