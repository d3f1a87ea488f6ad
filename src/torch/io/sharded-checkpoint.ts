/** Checkpoints in several files, listed by a JSON index: `{ metadata, weight_map: { key: file } }`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fail } from './checkpoint-error.js';
import type { CheckpointFile } from './checkpoint-file.js';
import { quote, textIn } from './file-format.js';
import type { LazyTensors } from './lazy-tensors.js';
import { isObject } from './safetensors.js';

/** Large enough for the keys of any model. */
const MAX_INDEX = 256 * 2 ** 20;

export interface ShardIndex {
  /** Maps keys to files below the index's folder. */
  readonly files: ReadonlyMap<string, string>;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Reads an index. Every file that it names must exist in the index's folder.
 *
 * @throws CheckpointError for other JSON, saying what it is; for files that are missing, or outside the folder
 */
export function readIndex(file: CheckpointFile): ShardIndex {
  if (file.size > MAX_INDEX) {
    fail('limit', `${file.path} is a text of ${file.size} bytes, not a checkpoint`);
  }
  const bytes = new Uint8Array(file.size);
  file.read(bytes, 0);
  const text = textIn(bytes);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    fail('unknown-format', `${file.path} is text (${quote(text)}), not a checkpoint`);
  }
  const map = isObject(content) ? content['weight_map'] : undefined;
  if (!isObject(content) || !isObject(map)) {
    fail(
      'unknown-format',
      `${file.path} is JSON (${quote(text)}), neither a checkpoint nor the index of one, which has a weight_map`,
    );
  }
  const files = new Map(Object.entries(map).map(([key, name]) => [key, checkedName(name, key, file.path)]));
  if (files.size === 0) fail('index', `${file.path} lists no tensors`);
  const names = [...new Set(files.values())];
  const missing = names.filter((name) => !existsSync(join(dirname(file.path), name)));
  if (missing.length > 0) {
    fail(
      'not-found',
      `${file.path} lists ${names.length} files, of which ${missing.length} are missing next to it: ` +
        `${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}; download the rest to ${dirname(file.path)}`,
    );
  }
  const { metadata } = content;
  return { files, metadata: isObject(metadata) ? metadata : {} };
}

function checkedName(name: unknown, key: string, path: string): string {
  const parts = typeof name === 'string' ? name.split(/[/\\]/) : [];
  const inside =
    parts.length > 0 && parts.every((part) => part !== '' && part !== '..' && !part.includes('\0'));
  if (inside && typeof name === 'string' && !/^[A-Za-z]:/.test(name)) return name;
  fail(
    'index',
    `${path} says that tensor ${JSON.stringify(key)} is in ${JSON.stringify(name)}; expected a file in the index's ` +
      'folder',
  );
}

/**
 * Returns the file that contains each tensor.
 *
 * @param shards by file name
 * @throws CheckpointError if a file lacks a tensor that the index says it has
 */
export function ownersOf(
  path: string,
  { files }: ShardIndex,
  shards: ReadonlyMap<string, LazyTensors>,
): Map<string, LazyTensors> {
  const owners = new Map<string, LazyTensors>();
  for (const [key, name] of files) {
    const shard = shards.get(name)!;
    if (!shard.has(key)) {
      fail(
        'index',
        `${path} says that tensor ${JSON.stringify(key)} is in ${name}, which has no such tensor; are the files of ` +
          'one checkpoint?',
      );
    }
    owners.set(key, shard);
  }
  for (const shard of shards.values()) {
    for (const key of shard.keys()) if (!owners.has(key)) owners.set(key, shard);
  }
  return owners;
}
