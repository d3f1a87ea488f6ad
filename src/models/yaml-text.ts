/** YAML of configuration files: its merge keys, anchors and mistakes. */
import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument, visit } from 'yaml';
import type { Document, ParsedNode } from 'yaml';
import { lostBytes } from '../torch/io/checkpoint-file.js';
import { ConfigFileError } from './config-file-error.js';

/** A text of YAML, read. */
export interface YamlText {
  readonly content: unknown;
  readonly document: Document.Parsed<ParsedNode>;
  readonly lines: LineCounter;
}

/**
 * Reads a file's text: UTF-8, or UTF-16 in either order.
 *
 * @throws ConfigFileError where there is no such file, it is a folder, or in another encoding, naming the line
 */
export async function readYamlFile(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigFileError(`${path}: ${unreadable(path, cause)}`, { cause });
  });
  const encoding = encodingOf(bytes);
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    const text = bytes.toString('latin1');
    const line = text.slice(0, bytes.toString('utf8').indexOf('\ufffd')).split('\n').length;
    const at = encoding === 'utf-8' ? `:${line}` : '';
    throw new ConfigFileError(
      `${path}${at}: this is not text in ${encoding.toUpperCase()}; save the file as UTF-8`,
      { cause },
    );
  }
}

function unreadable(path: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return `there is no such configuration file${lostBytes(path)}`;
  return code === 'EISDIR' ? 'this is a folder; name a YAML file' : message;
}

/** By the byte order mark, or by which half of the first character is zero: it is of ASCII in any configuration. */
function encodingOf([first, second]: Uint8Array): string {
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0)) return 'utf-16le';
  return (first === 0xfe && second === 0xff) || (first === 0 && second !== 0) ? 'utf-16be' : 'utf-8';
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
    const what =
      fault.code === 'MULTIPLE_DOCS'
        ? 'a second document begins (---); keep one'
        : fault.message.split('\n')[0]?.replace(/ at line.*/, '');
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
