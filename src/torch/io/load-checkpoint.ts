import { CheckpointError } from './checkpoint-error.js';
import { CheckpointFile } from './checkpoint-file.js';
import { LazyTensors } from './lazy-tensors.js';
import { SafetensorsReader } from './safetensors-reader.js';

/** An open checkpoint file. */
export interface Checkpoint {
  /** The tensors below a top-level `state_dict`, without that prefix; where there is none, all. */
  readonly tensors: LazyTensors;
  /** Every tensor under its dotted path. */
  readonly all: LazyTensors;
  /** What the file holds beside tensors; of safetensors files, a map of strings. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Closes the file; nothing can be read any more. Left out, it happens with garbage collection. */
  close(): void;
}

/**
 * Opens a checkpoint and reads its directory, not its tensors: `model.loadStateDict(checkpoint.tensors)` then reads
 * them one by one into the parameters.
 *
 * @param path of a `.safetensors` file; the format is told by the content, not by the name
 * @throws CheckpointError whose `problem` says what is wrong
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const file = new CheckpointFile(path);
  try {
    checkFormat(file);
    const reader = new SafetensorsReader(file);
    const keys = [...reader.keys()];
    return {
      all: new LazyTensors(reader, new Map(keys.map((key) => [key, key]))),
      tensors: new LazyTensors(reader, stateDictKeys(keys)),
      metadata: reader.metadata,
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

const PREFIX = 'state_dict.';

function stateDictKeys(keys: readonly string[]): Map<string, string> {
  const inner = keys.filter((key) => key.startsWith(PREFIX) && key.length > PREFIX.length);
  if (inner.length === 0) return new Map(keys.map((key) => [key, key]));
  return new Map(inner.map((key) => [key.slice(PREFIX.length), key]));
}

const textStarts: readonly (readonly [string, string])[] = [
  ['version https://git-lfs', 'is a Git LFS pointer, not the file itself; run `git lfs pull`'],
  ['<', 'is a web page, not a checkpoint; was the download refused?'],
];

/** Turns away files whose first bytes show another format. */
function checkFormat(file: CheckpointFile): void {
  if (file.size === 0) throw new CheckpointError('truncated', `${file.path} is empty`);
  const start = new Uint8Array(Math.min(32, file.size));
  file.read(start, 0);
  // First of all: a header of 640 bytes starts like a pickle, one of 60 like a web page.
  if (startsLikeSafetensors(start, file.size)) return;
  const text = Buffer.from(start).toString('latin1');
  const pickled = text.startsWith('PK\x03\x04') ? 'zip' : text.startsWith('\x80\x02') ? 'pickle' : null;
  if (pickled !== null) {
    throw new CheckpointError(
      'unsupported-format',
      `${file.path} is a PyTorch ${pickled} checkpoint, which cannot be read yet; convert it in Python: ` +
        'safetensors.torch.save_file(torch.load(path)["state_dict"], "weights.safetensors")',
    );
  }
  for (const [beginning, reason] of textStarts) {
    if (text.startsWith(beginning)) throw new CheckpointError('unknown-format', `${file.path} ${reason}`);
  }
}

function startsLikeSafetensors(start: Uint8Array, fileSize: number): boolean {
  if (start.length < 9) return false;
  const length = Buffer.from(start).readBigUInt64LE();
  return length <= BigInt(fileSize - 8) && start[8] === '{'.charCodeAt(0);
}
