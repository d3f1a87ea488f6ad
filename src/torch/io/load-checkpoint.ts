import '../core/dispose-symbol.js';
import { dirname, join } from 'node:path';
import { CheckpointError } from './checkpoint-error.js';
import { CheckpointFile } from './checkpoint-file.js';
import { takeApart } from './checkpoint-tree.js';
import { formatOf } from './file-format.js';
import type { CheckpointFormat } from './file-format.js';
import { LazyTensors, readerOf } from './lazy-tensors.js';
import type { TensorReader } from './lazy-tensors.js';
import { PytorchLegacy } from './pytorch-legacy.js';
import { PytorchZip } from './pytorch-zip.js';
import { SafetensorsReader } from './safetensors-reader.js';
import { ownersOf, readIndex } from './sharded-checkpoint.js';
import { StoredTensorReader } from './stored-tensor-reader.js';

/** An open checkpoint file. */
export interface Checkpoint {
  readonly format: CheckpointFormat;
  /** Bytes of the file; the total for a checkpoint in several files. */
  readonly size: number;
  /**
   * The tensors below a top-level `state_dict`, without that prefix; all tensors if there is none. For a whole saved
   * module, the tensors of its state dict.
   */
  readonly tensors: LazyTensors;
  /**
   * Every tensor under its dotted path. The parameters and buffers of a whole module have the names of its state dict;
   * its other tensors, including non-persistent buffers, have the names of their attributes.
   */
  readonly all: LazyTensors;
  /**
   * The file's other contents as plain values: dictionaries as objects; lists, tuples and sets as arrays; NumPy scalars
   * as numbers; NumPy arrays as `{ dtype, shape, data }`; integers beyond 2⁵³ as bigints; and objects of classes as
   * `{ global, arguments?, items?, entries?, state? }`: the class's name and the constructor's arguments; no object is
   * constructed. Dictionary keys that are classes become their names. `null` keeps a tensor's position in a list. For
   * safetensors files, a map of strings.
   */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Closes the file; nothing can be read afterwards. If not called, the file is closed by garbage collection. */
  close(): void;
  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void;
}

/**
 * Opens a checkpoint and reads its directory but no tensors: `model.loadStateDict(checkpoint.tensors)` then reads
 * them one by one into the parameters.
 *
 * PyTorch's files are pickles: programs that may call any function. This reader calls none of them: it knows the
 * few constructors that tensors and plain values need, and keeps everything else as a description.
 *
 * @param path of a safetensors file, or of a file that torch.save wrote, in its zip format or the older one
 *   (`.ckpt`, `.pth`, `.pt`, `.bin`), or of the index of a checkpoint in several of them
 *   (`model.safetensors.index.json`), which is read as one; the format is detected from the content, not from the name
 * @throws CheckpointError whose `problem` says which kind of error it is
 *
 * @example
 * ```ts
 * const checkpoint = await loadCheckpoint('vqgan.ckpt');
 * console.log(checkpoint.metadata, checkpoint.tensors.size);
 * const weight = checkpoint.tensors.get('quantize.embedding.weight');
 * checkpoint.close();
 * ```
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const file = new CheckpointFile(path);
  try {
    const start = new Uint8Array(Math.min(512, file.size));
    file.read(start, 0);
    const format = formatOf(path, file.size, start);
    if (format === 'index') return await openShards(file);
    const { reader, keys, aside, metadata } = open(file, format);
    const close = () => file.close();
    return {
      format,
      size: file.size,
      all: new LazyTensors(reader, new Map(keys.map((key) => [key, key]))),
      tensors: new LazyTensors(reader, stateDictKeys(keys.filter((key) => !aside.has(key)))),
      metadata,
      close,
      [Symbol.dispose]: close,
    };
  } catch (error) {
    file.close();
    if (error instanceof CheckpointError && !error.message.includes(path)) {
      throw new CheckpointError(error.problem, `${path}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

interface Opened {
  reader: TensorReader;
  keys: readonly string[];
  /** Keys that a state dict would leave out. */
  aside: ReadonlySet<string>;
  metadata: Record<string, unknown>;
}

/** Memory for the tensors' names: a fixed amount, plus an amount for every byte of the pickle. */
const PATHS_ROOM = 16 * 2 ** 20;
const PATHS_RATE = 24;

function open(file: CheckpointFile, format: CheckpointFormat): Opened {
  if (format === 'safetensors') {
    const reader = new SafetensorsReader(file);
    return { reader, keys: [...reader.keys()], aside: new Set(), metadata: { ...reader.metadata } };
  }
  const source = format === 'pytorch-zip' ? new PytorchZip(file) : new PytorchLegacy(file);
  const { tensors, aside, metadata } = takeApart(source.root, PATHS_ROOM + PATHS_RATE * source.pickleBytes);
  return { reader: new StoredTensorReader(tensors, source), keys: [...tensors.keys()], aside, metadata };
}

/** Opens the files of an index as one checkpoint. */
async function openShards(file: CheckpointFile): Promise<Checkpoint> {
  const index = readIndex(file);
  file.close();
  const open = new Map<string, Checkpoint>();
  const close = () => {
    for (const checkpoint of open.values()) checkpoint.close();
  };
  try {
    for (const name of new Set(index.files.values())) {
      const path = join(dirname(file.path), name);
      // An index inside an index could refer back to itself.
      if (name.endsWith('.json'))
        throw new CheckpointError('index', `${file.path} lists ${name}, which contains no tensors`);
      open.set(name, await loadCheckpoint(path));
    }
    const shards = new Map([...open].map(([name, { tensors }]) => [name, tensors]));
    const owners = ownersOf(file.path, index, shards);
    const reader = readerOf((key) => owners.get(key)!);
    const tensors = new LazyTensors(reader, new Map([...owners.keys()].map((key) => [key, key])));
    const [first] = open.values();
    const size = [...open.values()].reduce((sum, checkpoint) => sum + checkpoint.size, 0);
    const { metadata } = index;
    const whole = { format: first!.format, size, all: tensors, tensors, metadata };
    return { ...whole, close, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

const PREFIX = 'state_dict.';

function stateDictKeys(keys: readonly string[]): Map<string, string> {
  const inner = keys.filter((key) => key.startsWith(PREFIX) && key.length > PREFIX.length);
  if (inner.length === 0) return new Map(keys.map((key) => [key, key]));
  return new Map(inner.map((key) => [key.slice(PREFIX.length), key]));
}
