/** Parses the YAML of configuration files, with merge keys and anchors, and reports its mistakes. */
import type { Document, LineCounter, ParsedNode } from 'yaml';
import { ConfigFileError } from './file-error.js';
import { yaml } from './yaml.js';

/** Parsed YAML. */
export interface YamlText {
  readonly content: unknown;
  readonly document: Document.Parsed<ParsedNode>;
  readonly lines: LineCounter;
}

/**
 * Reads YAML (JSON is YAML) with merge keys: `<<: *anchor`, or a list of aliases.
 *
 * @param name name of the text in errors
 * @throws ConfigFileError with the line of the mistake
 */
export function parseYamlText(text: string, name: string): YamlText {
  const lines = new (yaml().LineCounter)();
  const document = yaml().parseDocument(text, { lineCounter: lines, merge: true });
  const [fault] = document.errors;
  if (fault) {
    const { line } = lines.linePos(fault.pos[0]);
    const what = fault.message.split('\n')[0]?.replace(/ at line.*/, '');
    // The parser's own message addresses programmers.
    const severalDocuments =
      fault.code === 'MULTIPLE_DOCS' ? 'a second document begins here; a file must contain only one' : null;
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
/** Tags that the parser resolves, or that do not change the value. */
const KNOWN_TAGS = new Set(
  'map seq str int float bool null python/tuple python/list python/dict python/str'
    .split(' ')
    .map((tag) => STANDARD + tag),
);

/**
 * Converts scalars to the type of their tag (`!!float 3`); the parser does so only for its own spelling of the number.
 * @throws ConfigFileError for an unknown tag, whose meaning would be lost
 */
function resolveTags(document: Document.Parsed<ParsedNode>, lines: LineCounter, name: string): void {
  yaml().visit(document, {
    Node: (_, node) => {
      const { tag, range } = node as { tag?: string; range?: readonly number[] | null };
      if (tag === undefined || tag === '!') return;
      const fail = (what: string): never => {
        const { line } = lines.linePos(range?.[0] ?? 0);
        throw new ConfigFileError(`${name}:${line}: ${what}`);
      };
      const shown = tag.replace(STANDARD, '!!');
      if (!KNOWN_TAGS.has(tag)) fail(`unknown tag ${shown}; write the value without it`);
      if (!yaml().isScalar(node) || typeof node.value !== 'string' || !/:(int|float|bool|null)$/.test(tag))
        return;
      const number = Number(node.value);
      if (tag.endsWith('float') && node.value.trim() !== '' && !Number.isNaN(number)) node.value = number;
      else fail(`${JSON.stringify(node.value)} is not a valid ${shown}`);
    },
  });
}

/**
 * Checks the aliases of a document.
 * @throws ConfigFileError for an alias without an anchor before it, or one inside the node that it refers to
 */
function checkAliases(document: Document.Parsed<ParsedNode>, lines: LineCounter, name: string): void {
  const anchors = new Map<string, unknown>();
  yaml().visit(document, {
    Node: (_, node) => {
      const { anchor } = node as { anchor?: string };
      if (anchor !== undefined) anchors.set(anchor, node);
    },
    Alias: (_, { source, range }, path) => {
      const { line } = lines.linePos(range![0]);
      if (path.some((node) => node === anchors.get(source)))
        throw new ConfigFileError(`${name}:${line}: "*${source}" refers to a node that contains it`);
      if (anchors.has(source)) return;
      throw new ConfigFileError(
        `${name}:${line}: "*${source}" refers to nothing: no anchor &${source} comes before it`,
      );
    },
  });
}

/** Returns the top-level names of a document below which there is an anchor that an alias refers to. */
export function anchoredNames({ document }: YamlText): string[] {
  const wanted = new Set<string>();
  yaml().visit(document, { Alias: (_, { source }) => void wanted.add(source) });
  const names = new Set<string>();
  yaml().visit(document, {
    Node: (_, node, path) => {
      const anchor = (node as { anchor?: string }).anchor;
      const top = path.find((parent) => 'key' in parent) as { key?: { value?: unknown } } | undefined;
      const name = top?.key?.value;
      if (anchor !== undefined && wanted.has(anchor) && typeof name === 'string') names.add(name);
    },
  });
  return [...names];
}
