/** Configuration files in YAML or JSON, as the reference reads its own: with merge keys and references. */
import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument, visit } from 'yaml';
import type { Document, ParsedNode } from 'yaml';
import type { ModelConfig } from './from-config.js';
import { InterpolationError, resolveInterpolations } from './interpolation.js';

/** A file of the reference: `model` is what `modelFromConfig` takes; whatever else stands in it comes as it is. */
export interface ConfigFile {
  model: ModelConfig;
  [section: string]: unknown;
}

/** A configuration file that cannot be read; the message begins with its name, and the line where there is one. */
export class ConfigFileError extends TypeError {
  /** The class's name, for programs that see only that. */
  override name = 'ConfigFileError';
}

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

/**
 * Reads a configuration file of the reference, in YAML or JSON: merge keys (`<<: *a`) are merged, and references
 * (`${model.params.n_embed}`, `${..ch}`, `${oc.env:HOME}`) replaced by what they name, as OmegaConf does.
 *
 * @param path of the file; `model` of the result is what `modelFromConfig` takes
 * @throws ConfigFileError where there is no such file, it is not YAML, or a reference names nothing or itself
 */
export async function readConfig(path: string): Promise<ConfigFile> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'there is no such configuration file' : cause.message;
    throw new ConfigFileError(`${path}: ${reason}`, { cause });
  });
  const { content } = parseYamlText(text, path);
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new ConfigFileError(`${path}: a configuration is a map of "key: value" lines, such as model:`);
  }
  try {
    return resolveInterpolations(content as Record<string, unknown>).tree as ConfigFile;
  } catch (cause) {
    if (!(cause instanceof InterpolationError)) throw cause;
    throw new ConfigFileError(`${path}: ${cause.path}: ${cause.message}`, { cause });
  }
}
