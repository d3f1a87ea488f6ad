import type { Tensor } from '../index.js';
import { fail, type CheckpointProblem } from './checkpoint-error.js';
import type { CheckpointFile } from './checkpoint-file.js';
import { PickleInput } from './pickle-input.js';
import { storageOf } from './pickle-tensors.js';
import { PickledDict, PickledTuple } from './pickle-values.js';
import type { Pickled, StoredStorage } from './pickle-values.js';
import { unpickle } from './unpickler.js';
import type { StorageSource } from './stored-tensor-reader.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/**
 * The format of torch.save before 1.6: five pickles (a magic number, the version, system information, the value, the
 * keys of the storages), followed by every storage: its number of elements in eight bytes, and its bytes.
 */
export class PytorchLegacy implements StorageSource {
  readonly root: Pickled;
  /** Bytes that the value's pickle takes. */
  readonly pickleBytes: number;
  readonly #file: CheckpointFile;
  /** Largest extent of each storage in bytes, according to the value's pickle. */
  readonly #lengths = new Map<string, { length: number; elements: number }>();
  readonly #positions = new Map<string, number>();

  constructor(file: CheckpointFile) {
    this.#file = file;
    const input = new PickleInput('file', (bytes, position) => file.read(bytes, position), 0, file.size);
    const plain = {
      room: 2 ** 20,
      persistent: (_id: Pickled, fail: (message: string) => never) => fail('a storage precedes the value'),
    };
    if (unpickle(input, plain) !== MAGIC) {
      fail(
        'unknown-format',
        'the file is a Python pickle, but not one written by torch.save; in Python, save its tensors with torch.save',
      );
    }
    const version = unpickle(input, plain);
    if (version !== PROTOCOL) {
      fail(
        'unsupported-format',
        `version ${JSON.stringify(version)} of the old PyTorch format is not supported`,
      );
    }
    checkSystem(unpickle(input, plain));
    const start = input.position;
    this.root = unpickle(input, { persistent: (id, fail) => this.#storage(id, fail) });
    this.pickleBytes = input.position - start;
    this.#locate(unpickle(input, plain), input);
  }

  #storage(id: Pickled, fail: (message: string) => never): Pickled {
    // Whole modules were saved with their source: the class, its file and the text. Only the class is needed.
    if (id instanceof PickledTuple && id.items[0] === 'module') return id.items[1] ?? null;
    const storage = storageOf(id, fail);
    const elements = (id as PickledTuple).items[4] as number;
    const known = this.#lengths.get(storage.key);
    if (known !== undefined && (known.elements !== elements || known.length !== storage.whole)) {
      fail(`storage ${JSON.stringify(storage.key)} is described in two ways`);
    }
    this.#lengths.set(storage.key, { length: storage.whole, elements });
    return storage;
  }

  /** Iterates over the storages, which have no directory. */
  #locate(keys: Pickled, input: PickleInput): void {
    if (!Array.isArray(keys)) input.fail('pickle', 'the keys of the storages are not a list', input.position);
    let position = input.position;
    const refuse: (problem: CheckpointProblem, message: string) => never = (problem, message) =>
      input.fail(problem, message, position);
    const count = Buffer.alloc(8);
    for (const item of keys) {
      const key = typeof item === 'number' ? String(item) : item;
      const expected = typeof key === 'string' ? this.#lengths.get(key) : undefined;
      if (typeof key !== 'string' || expected === undefined || this.#positions.has(key)) {
        refuse(
          'storage',
          `storage ${typeof key === 'string' ? JSON.stringify(key) : ''} is stored but not used, or twice`,
        );
      }
      if (position + 8 > this.#file.size) refuse('truncated', 'a storage is missing');
      this.#file.read(count, position);
      const elements = count.readBigInt64LE();
      if (elements !== BigInt(expected.elements)) {
        refuse('storage', `a storage has ${elements} elements, but ${expected.elements} were expected`);
      }
      position += 8;
      if (position + expected.length > this.#file.size) {
        refuse('truncated', `a storage of ${expected.length} bytes reaches beyond the end of the file`);
      }
      this.#positions.set(key, position);
      position += expected.length;
    }
    for (const key of this.#lengths.keys()) {
      if (!this.#positions.has(key)) {
        refuse('storage', `storage ${JSON.stringify(key)} is used but not stored`);
      }
    }
  }

  fill(storage: StoredStorage, from: number, length: number, target: Tensor): void {
    const position = this.#positions.get(storage.key) as number;
    this.#file.readTensor(target, position + storage.offset + from, length);
  }
}

function checkSystem(facts: Pickled): void {
  const entries = facts instanceof PickledDict ? facts.entries : null;
  if (entries?.get('little_endian') === false) {
    fail('unsupported-format', 'the file was written on a big-endian machine');
  }
}
