import { crc32, inflateRawSync } from 'node:zlib';
import type { Tensor } from '../index.js';
import { fail } from './checkpoint-error.js';
import type { CheckpointFile } from './checkpoint-file.js';
import { otherZip } from './file-format.js';
import { PickleInput } from './pickle-input.js';
import { storageOf } from './pickle-tensors.js';
import type { Pickled, StoredStorage } from './pickle-values.js';
import type { StorageSource } from './stored-tensor-reader.js';
import { unpickle } from './unpickler.js';
import { dataPosition, readZipDirectory, shown } from './zip-directory.js';
import type { ZipEntry } from './zip-directory.js';

/** Limit for entries that are read at once. */
const MAX_PICKLE = 2 ** 31 - 1;
/** A deflated entry can be a thousand times larger when unpacked. */
const MAX_INFLATED = 16 * 2 ** 20;
const MAX_SMALL = 4096;

/** A PyTorch zip file (torch.save since 1.6): `<name>/data.pkl` and one stored entry per storage. */
export class PytorchZip implements StorageSource {
  readonly root: Pickled;
  /** Bytes that the value's pickle takes in the file. */
  readonly pickleBytes: number;
  readonly #file: CheckpointFile;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  readonly #prefix: string;
  /** True if checksums were recorded: PyTorch has an option to leave them out, and then writes zeros. */
  readonly #checked: boolean;
  readonly #positions = new Map<string, number>();
  readonly #verified = new Set<string>();

  constructor(file: CheckpointFile) {
    this.#file = file;
    this.#entries = readZipDirectory((bytes, position) => file.read(bytes, position), file.size);
    const pickle = this.#findPickle();
    this.#prefix = pickle.name.slice(0, -'data.pkl'.length);
    this.#checked = [...this.#entries.values()].some(({ crc }) => crc !== 0);
    this.#checkByteOrder();
    const bytes = this.#readEntry(pickle, MAX_PICKLE);
    this.pickleBytes = Math.min(pickle.packedSize, pickle.size);
    this.root = unpickle(PickleInput.of(pickle.name, bytes), {
      packing: this.pickleBytes / Math.max(1, bytes.length),
      persistent: (id, fail) => this.#storage(id, fail),
    });
  }

  #findPickle(): ZipEntry {
    const names = [...this.#entries.keys()];
    const pickles = names.filter((name) => /(^|\/)data\.pkl$/.test(name));
    const [name] = pickles;
    if (name === undefined || pickles.length > 1) {
      const inner = names.find((other) => /\.(ckpt|pth?|bin|safetensors)$/.test(other));
      const known = otherZip(names);
      const otherWay = known === null ? null : `; ${known}`;
      const way = inner === undefined ? '' : `; unzip it and load ${shown(inner)}`;
      fail(
        'unknown-format',
        pickles.length > 1
          ? `the zip file has more than one data.pkl: entries ${pickles.slice(0, 3).map(shown).join(', ')}`
          : `the zip file has no entry data.pkl, which PyTorch's files have${otherWay ?? way}`,
      );
    }
    const prefix = name.slice(0, -'data.pkl'.length);
    if (
      this.#entries.has(`${prefix}constants.pkl`) ||
      names.some((other) => other.startsWith(`${prefix}code/`))
    ) {
      fail(
        'unsupported-format',
        `there is code next to entry ${shown(name)}: the file is a TorchScript program, not a checkpoint; in Python, ` +
          'save torch.jit.load(path).state_dict()',
      );
    }
    return this.#entries.get(name) as ZipEntry;
  }

  #checkByteOrder(): void {
    const entry = this.#entries.get(`${this.#prefix}byteorder`);
    if (entry === undefined) return;
    const order = Buffer.from(this.#readEntry(entry, MAX_SMALL)).toString('latin1');
    if (order !== 'little') {
      fail('unsupported-format', `the byte order of the file is ${shown(order)}, not "little"`);
    }
  }

  #storage(id: Pickled, fail: (message: string) => never): StoredStorage {
    const storage = storageOf(id, fail);
    const entry = this.#entries.get(this.#nameOf(storage.key));
    if (entry === undefined) return fail(`storage ${shown(storage.key)} is not in the file`);
    if (storage.whole !== entry.size) {
      fail(
        `storage ${shown(storage.key)} should have ${storage.whole} bytes, but entry ${shown(entry.name)} has ${entry.size}`,
      );
    }
    return storage;
  }

  #nameOf(key: string): string {
    return `${this.#prefix}data/${key}`;
  }

  #position(entry: ZipEntry): number {
    let position = this.#positions.get(entry.name);
    if (position === undefined) {
      position = dataPosition((bytes, at) => this.#file.read(bytes, at), entry);
      this.#positions.set(entry.name, position);
    }
    return position;
  }

  #readEntry(entry: ZipEntry, limit: number): Uint8Array {
    if (entry.size > limit) {
      fail('limit', `zip entry ${shown(entry.name)} has ${entry.size} bytes, more than allowed`);
    }
    const position = this.#position(entry);
    const packed = Buffer.allocUnsafe(entry.packedSize);
    this.#file.read(packed, position);
    const bytes = entry.deflated ? inflate(entry, packed) : packed;
    this.#checkSum(entry, crc32(bytes));
    return bytes;
  }

  #checkSum(entry: ZipEntry, sum: number): void {
    if (!this.#checked || sum === entry.crc) return;
    fail(
      'checksum',
      `${this.#file.path}: zip entry ${shown(entry.name)} at byte ${entry.start} is damaged: its checksum is ${hex(sum)}, but ` +
        `${hex(entry.crc)} was recorded`,
    );
  }

  /** Verifies the entry. The checksum covers all of it: a part is read only after the whole was verified. */
  fill(storage: StoredStorage, from: number, length: number, target: Tensor): void {
    const entry = this.#entries.get(this.#nameOf(storage.key)) as ZipEntry;
    if (entry.deflated) {
      fail(
        'unsupported-format',
        `${this.#file.path}: zip entry ${shown(entry.name)} is deflated; tensors are read from stored entries: zip the folder with -0`,
      );
    }
    const position = this.#position(entry);
    const begin = storage.offset + from;
    const whole = begin === 0 && length === entry.size;
    if (this.#checked && !whole && !this.#verified.has(entry.name)) {
      let sum = 0;
      this.#file.stream(position, entry.size, (bytes) => {
        sum = crc32(bytes, sum);
      });
      this.#checkSum(entry, sum);
      this.#verified.add(entry.name);
    }
    let sum = 0;
    this.#file.readTensor(target, position + begin, length, (bytes) => {
      if (this.#checked && whole) sum = crc32(bytes, sum);
    });
    if (whole) this.#checkSum(entry, sum);
  }
}

function inflate(entry: ZipEntry, packed: Uint8Array): Uint8Array {
  const limit = MAX_INFLATED + 4 * packed.length;
  if (entry.size > limit) {
    fail('limit', `zip entry ${shown(entry.name)} would unpack from ${packed.length} to ${entry.size} bytes`);
  }
  let bytes: Uint8Array;
  try {
    bytes = inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.size) });
  } catch (cause) {
    fail('zip', `zip entry ${shown(entry.name)} cannot be unpacked: ${(cause as Error).message}`, cause);
  }
  if (bytes.length !== entry.size) {
    fail('zip', `zip entry ${shown(entry.name)} unpacks to ${bytes.length} bytes, not ${entry.size}`);
  }
  return bytes;
}

function hex(sum: number): string {
  return (sum >>> 0).toString(16).padStart(8, '0');
}
