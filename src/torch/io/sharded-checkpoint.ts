/** Checkpoints in several files, listed by a JSON index: `{ metadata, weight_map: { key: file } }`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Tensor } from '../core/tensor.js';
import { fail } from './checkpoint-error.js';
import type { CheckpointFile } from './checkpoint-file.js';
import { quote, textIn } from './file-format.js';
import type { CheckpointTensorInfo, LazyTensors, TensorReader } from './lazy-tensors.js';
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

/** Reads each tensor from the file that contains it. */
export class ShardedReader implements TensorReader {
  /** The keys of the index, in its order, followed by the files' other keys. */
  readonly keys: readonly string[];
  readonly #owners: ReadonlyMap<string, LazyTensors>;

  /**
   * @param shards by file name
   * @throws CheckpointError if a file lacks a tensor that the index says it has
   */
  constructor(path: string, { files }: ShardIndex, shards: ReadonlyMap<string, LazyTensors>) {
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
    this.#owners = owners;
    this.keys = [...owners.keys()];
  }

  info(key: string): CheckpointTensorInfo {
    return this.#owners.get(key)!.info(key)!;
  }

  read(key: string): Tensor {
    return this.#owners.get(key)!.get(key)!;
  }

  readMany(keys: readonly string[]): Tensor[] {
    const read = new Map<string, Tensor>();
    for (const shard of new Set(keys.map((key) => this.#owners.get(key)!))) {
      const own = keys.filter((key) => this.#owners.get(key) === shard);
      for (const [key, tensor] of shard.getMany(own)) read.set(key, tensor);
    }
    return keys.map((key) => read.get(key)!);
  }

  readInto(key: string, target: Tensor): void {
    this.#owners.get(key)!.readInto(key, target);
  }

  identity(key: string): string | undefined {
    return this.#owners.get(key)!.identity(key);
  }
}
