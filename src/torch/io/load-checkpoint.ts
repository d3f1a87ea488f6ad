import { CheckpointError } from './checkpoint-error.js';
import { CheckpointFile } from './checkpoint-file.js';
import { takeApart } from './checkpoint-tree.js';
import { LazyTensors } from './lazy-tensors.js';
import type { TensorReader } from './lazy-tensors.js';
import { PytorchLegacy } from './pytorch-legacy.js';
import { PytorchZip } from './pytorch-zip.js';
import { SafetensorsReader } from './safetensors-reader.js';
import { StoredTensorReader } from './stored-tensor-reader.js';

export type CheckpointFormat = 'safetensors' | 'pytorch-zip' | 'pytorch-legacy';

/** An open checkpoint file. */
export interface Checkpoint {
  readonly format: CheckpointFormat;
  /**
   * The tensors below a top-level `state_dict`, without that prefix; where there is none, all. Of a whole module that
   * was saved, those that its state dict would hold.
   */
  readonly tensors: LazyTensors;
  /**
   * Every tensor under its dotted path. The parameters and buffers of a whole module have the names of its state dict;
   * its other tensors, buffers that are not persistent among them, have those of the attributes.
   */
  readonly all: LazyTensors;
  /**
   * What the file holds beside tensors, as plain values: dictionaries as objects, lists, tuples and sets as arrays,
   * NumPy scalars as numbers, NumPy arrays as `{ dtype, shape, data }`, integers beyond 2⁵³ as bigints, and objects of
   * classes as `{ global, arguments?, items?, entries?, state? }`: their class's name and what they were made from,
   * nothing having been made. Dictionary keys that are classes go by their names. `null` keeps a tensor's place in a
   * list. Of safetensors files, a map of strings.
   */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Closes the file; nothing can be read any more. Left out, it happens with garbage collection. */
  close(): void;
}

/**
 * Opens a checkpoint and reads its directory, not its tensors: `model.loadStateDict(checkpoint.tensors)` then reads
 * them one by one into the parameters.
 *
 * PyTorch's files are pickles, programs for a small machine. This reader runs none of what they name: it knows the
 * few constructors that tensors and plain values need, and keeps everything else as a description.
 *
 * @param path of a safetensors file, or of a file that torch.save wrote, in its zip format or the older one
 *   (`.ckpt`, `.pth`, `.pt`, `.bin`); the format is told by the content, not by the name
 * @throws CheckpointError whose `problem` says what is wrong
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const file = new CheckpointFile(path);
  try {
    const format = formatOf(file);
    const { reader, keys, aside, metadata } = open(file, format);
    return {
      format,
      all: new LazyTensors(reader, new Map(keys.map((key) => [key, key]))),
      tensors: new LazyTensors(reader, stateDictKeys(keys.filter((key) => !aside.has(key)))),
      metadata,
      close: () => {
        file.close();
      },
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
  /** Keys that no state dict would hold. */
  aside: ReadonlySet<string>;
  metadata: Record<string, unknown>;
}

/** What the tensors' names may take in memory: so much, and so much more for every byte of the pickle. */
const PATHS_ROOM = 16 * 2 ** 20;
const PATHS_RATE = 64;

function open(file: CheckpointFile, format: CheckpointFormat): Opened {
  if (format === 'safetensors') {
    const reader = new SafetensorsReader(file);
    return { reader, keys: [...reader.keys()], aside: new Set(), metadata: { ...reader.metadata } };
  }
  const source = format === 'pytorch-zip' ? new PytorchZip(file) : new PytorchLegacy(file);
  const { tensors, aside, metadata } = takeApart(source.root, PATHS_ROOM + PATHS_RATE * source.pickleBytes);
  return { reader: new StoredTensorReader(tensors, source), keys: [...tensors.keys()], aside, metadata };
}

const PREFIX = 'state_dict.';

function stateDictKeys(keys: readonly string[]): Map<string, string> {
  const inner = keys.filter((key) => key.startsWith(PREFIX) && key.length > PREFIX.length);
  if (inner.length === 0) return new Map(keys.map((key) => [key, key]));
  return new Map(inner.map((key) => [key.slice(PREFIX.length), key]));
}

const textStarts: readonly (readonly [string, string])[] = [
  ['version https://git-lfs', 'is a Git LFS pointer, not the file itself; run `git lfs pull`'],
  ['<', 'is a web page, not a checkpoint; was the download refused?'],
  ['\x1f\x8b', 'is packed by gzip; unpack it first'],
];

/** Old pickles: protocols from 2 on say so first; the two before start with the magic number itself. */
function startsLikePickle(start: Uint8Array, text: string): boolean {
  return (
    (start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5) || text.startsWith('L119547037146038801333356L')
  );
}

/** Tells the format by the first bytes. */
function formatOf(file: CheckpointFile): CheckpointFormat {
  if (file.size === 0) throw new CheckpointError('truncated', `${file.path} is empty`);
  const start = new Uint8Array(Math.min(512, file.size));
  file.read(start, 0);
  // First of all: a header of 640 bytes starts like a pickle, one of 60 like a web page.
  if (startsLikeSafetensors(start, file.size)) return 'safetensors';
  const text = Buffer.from(start).toString('latin1');
  if (text.startsWith('PK\x03\x04')) return 'pytorch-zip';
  if (startsLikePickle(start, text)) return 'pytorch-legacy';
  for (const [beginning, reason] of textStarts) {
    if (text.startsWith(beginning)) throw new CheckpointError('unknown-format', `${file.path} ${reason}`);
  }
  if (text.slice(257, 262) === 'ustar') {
    throw new CheckpointError(
      'unsupported-format',
      `${file.path} is a tar file, as torch.save wrote before 2017; load and save it again with a newer PyTorch`,
    );
  }
  // Its header's length may be what is damaged; the error then tells how.
  return 'safetensors';
}

function startsLikeSafetensors(start: Uint8Array, fileSize: number): boolean {
  if (start.length < 9) return false;
  const length = Buffer.from(start).readBigUInt64LE();
  return length <= BigInt(fileSize - 8) && start[8] === '{'.charCodeAt(0);
}
