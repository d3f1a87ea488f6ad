/** Lists of images with labels and maps: JSON lines, or tables of comma- or tab-separated values. */
import { readFile } from 'node:fs/promises';
import { dirname, extname, isAbsolute, resolve } from 'node:path';
import { systemPath } from '../../files/file-names.js';
import { ClassNames } from './class-names.js';
import { pictureExtensions } from '../pictures/decode.js';
import type { MapKinds } from '../fields/example.js';
import type { FoundImages } from './find-images.js';
import { ImageDataError, unreadable } from '../image-error.js';
import { decodeText } from './text-file.js';

const separators: Readonly<Record<string, string>> = { '.csv': ',', '.tsv': '\t' };

/** True if a file is a list of records by its extension. */
export function isRecordList(path: string): boolean {
  const extension = extname(path).toLowerCase();
  return extension === '.jsonl' || extension === '.ndjson' || extension in separators;
}

/** One line of a list. */
interface Line {
  number: number;
  record: Readonly<Record<string, unknown>>;
}

/**
 * Reads a list of records such as `{"file": "a.jpg", "label": "cat", "depth": "depth/a.png"}`, one a line, or a table whose
 * first line names its columns. Paths are relative to the list. A field that names image files is a map of each image.
 * The first line of JSON lines may have no `file`: `{"classes": ["cat", "dog"], "segmentation": ["sky", "ground"]}` gives
 * the order of the classes and names the labels of maps; a map without names has intensities.
 * @throws ImageDataError with the file and the line
 *
 * @example
 * ```ts
 * const { files, labels, classes } = await readRecords('photos.jsonl');
 * ```
 */
export async function readRecords(path: string): Promise<FoundImages> {
  const bytes = await readFile(systemPath(path)).catch(unreadable(path));
  const text = decodeText(bytes);
  if (typeof text !== 'string')
    throw new ImageDataError(path, `this is ${text.kind}; expected a list as text`);
  const separator = separators[extname(path).toLowerCase()];
  const lines = separator === undefined ? jsonLines(path, text) : tableLines(path, text, separator);
  const described = lines[0] && !('file' in lines[0].record) ? lines.shift() : undefined;
  if (lines.length === 0) {
    throw new ImageDataError(
      path,
      'this list is empty; expected lines such as {"file": "a.jpg", "label": "cat"}',
    );
  }
  const kinds = kindsOf(path, lines, described);
  const place = (name: string) => (isAbsolute(name) ? name : resolve(dirname(path), name));
  const stringAt = (line: Line, field: string) => {
    const value = line.record[field];
    if (typeof value === 'string' && value !== '') return value;
    throw errorAt(path, line, `has no "${field}", which names a file`);
  };
  const classes = new ClassNames();
  for (const line of lines) classes.add(labelOf(path, line));
  const names = namesIn(path, described, 'classes');
  const maps = Object.keys(kinds).map(
    (field) => [field, lines.map((line) => place(stringAt(line, field)))] as const,
  );
  return {
    kind: 'list',
    files: lines.map((line) => place(stringAt(line, 'file'))),
    ignored: {},
    ...classes.settle((image, reason) => errorAt(path, lines[image]!, reason), names),
    ...(maps.length > 0 && { maps: { kinds, files: Object.fromEntries(maps) } }),
  };
}

function errorAt(
  path: string,
  { number }: Pick<Line, 'number'>,
  reason: string,
  cause?: unknown,
): ImageDataError {
  return new ImageDataError(`${path}:${number}`, reason, { cause });
}

function numbered(text: string): { number: number; content: string }[] {
  return text
    .split(/\r\n|\r|\n/)
    .map((content, i) => ({ number: i + 1, content }))
    .filter(({ content }) => content.trim() !== '');
}

function jsonLines(path: string, text: string): Line[] {
  return numbered(text).map(({ number, content }) => {
    let record: unknown;
    try {
      record = JSON.parse(content);
    } catch (cause) {
      throw errorAt(path, { number }, `is not JSON (${(cause as Error).message})`, cause);
    }
    if (typeof record === 'object' && record !== null && !Array.isArray(record)) {
      return { number, record: record as Line['record'] };
    }
    throw errorAt(path, { number }, 'is not an object; expected {"file": "a.jpg", "label": "cat"}');
  });
}

function tableLines(path: string, text: string, separator: string): Line[] {
  const [head, ...rows] = numbered(text);
  const columns = head ? cellsOf(head.content, separator) : [];
  if (!columns.includes('file')) {
    throw errorAt(
      path,
      head ?? { number: 1 },
      'names no column "file"; the first line is the names of the columns',
    );
  }
  return rows.map(({ number, content }) => {
    const cells = cellsOf(content, separator);
    if (cells.length !== columns.length) {
      throw errorAt(path, { number }, `has ${cells.length} values for ${columns.length} columns`);
    }
    const given = columns.map((column, i) => [column, cells[i]] as const).filter(([, value]) => value !== '');
    return { number, record: { file: '', ...Object.fromEntries(given) } };
  });
}

/** Splits a line of a table; a value in double quotes may have separators and doubled quotes. */
function cellsOf(line: string, separator: string): string[] {
  const cells: string[] = [];
  for (let at = 0; at <= line.length;) {
    if (line[at] === '"') {
      const quoted = /^"((?:[^"]|"")*)"?/.exec(line.slice(at))!;
      cells.push(quoted[1]!.replaceAll('""', '"'));
      at += quoted[0].length + separator.length;
      continue;
    }
    const end = line.indexOf(separator, at);
    cells.push(line.slice(at, end < 0 ? undefined : end).trim());
    at = end < 0 ? line.length + 1 : end + separator.length;
  }
  return cells;
}

function labelOf(path: string, line: Line): string | number | null {
  const { label = null } = line.record;
  if (label === null || typeof label === 'string' || typeof label === 'number') return label;
  throw errorAt(path, line, `has a label that is ${JSON.stringify(label)}, expected a name or a number`);
}

/** Returns the kinds of the maps: fields whose first value names an image file. */
function kindsOf(path: string, lines: readonly Line[], described: Line | undefined): MapKinds {
  const fields = new Set(
    lines.flatMap(({ record }) => Object.keys(record).filter((key) => isMap(record[key]))),
  );
  fields.delete('file');
  fields.delete('label');
  const kinds: Record<string, MapKinds[string]> = {};
  for (const field of fields) {
    const labels = namesIn(path, described, field);
    kinds[field] = labels ? { labels } : {};
  }
  if (kinds['segmentation'] && !kinds['segmentation'].labels) {
    const example = '{"segmentation": ["sky", "ground"]}';
    throw new ImageDataError(
      path,
      `names maps "segmentation", but not their labels; begin it with a line ${example}`,
    );
  }
  return kinds;
}

const isMap = (value: unknown) => {
  const extension = typeof value === 'string' ? extname(value).toLowerCase() : '';
  return extension === '.npy' || pictureExtensions.has(extension);
};

function namesIn(path: string, described: Line | undefined, field: string): string[] | undefined {
  const names = described?.record[field];
  if (names === undefined) return undefined;
  if (Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string'))
    return names;
  throw errorAt(path, described!, `its "${field}" must be a list of names, got ${JSON.stringify(names)}`);
}
