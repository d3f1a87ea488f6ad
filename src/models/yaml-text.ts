/** YAML of configuration files: its merge keys, anchors and mistakes. */
import { LineCounter, parseDocument, visit } from 'yaml';
import type { Document, ParsedNode } from 'yaml';
import { ConfigFileError } from './config-file-error.js';

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
    throw new ConfigFileError(`${name}:${line}: not valid YAML: ${what}`);
  }
  checkAliases(document, lines, name);
  try {
    return { content: document.toJS() as unknown, document, lines };
  } catch (cause) {
    throw new ConfigFileError(`${name}: not valid YAML: ${(cause as Error).message}`, { cause });
  }
}

/** @throws ConfigFileError for an alias whose anchor does not stand before it */
function checkAliases(document: Document.Parsed<ParsedNode>, lines: LineCounter, name: string): void {
  const anchors = new Set<string>();
  visit(document, {
    Node: (_, node) => {
      const { anchor } = node as { anchor?: string };
      if (anchor !== undefined) anchors.add(anchor);
    },
    Alias: (_, { source, range }) => {
      if (anchors.has(source)) return;
      const { line } = lines.linePos(range![0]);
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
