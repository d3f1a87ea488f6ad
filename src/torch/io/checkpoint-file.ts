import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { translate } from '../errors.js';
import { native } from '../native/load.js';
import type { Tensor } from '../tensor.js';
import { CheckpointError } from './checkpoint-error.js';

/** Bytes read at a time: large enough for full speed, small enough not to count beside a tensor. */
const CHUNK = 8 * 2 ** 20;

const abandoned = new FinalizationRegistry((descriptor: number) => {
  try {
    closeSync(descriptor);
  } catch {
    // Nothing can be done about it here, and nothing depends on it.
  }
});

/** A file open for positional reads. Reading is not mapping: mapped pages would count as the process's memory. */
export class CheckpointFile {
  readonly path: string;
  readonly size: number;
  #descriptor: number | null;
  #chunk: Uint8Array | null = null;

  constructor(path: string) {
    this.path = path;
    try {
      this.#descriptor = openSync(path, 'r');
    } catch (cause) {
      throw new CheckpointError('not-found', `cannot open checkpoint ${path}: ${(cause as Error).message}`, {
        cause,
      });
    }
    const stat = fstatSync(this.#descriptor);
    if (!stat.isFile()) {
      closeSync(this.#descriptor);
      throw new CheckpointError('not-found', `${path} is no file; name the checkpoint file itself`);
    }
    this.size = stat.size;
    abandoned.register(this, this.#descriptor, this);
  }

  /** Fills `bytes` from a position in the file. */
  read(bytes: Uint8Array, position: number): void {
    if (this.#descriptor === null) {
      throw new CheckpointError('closed', `${this.path} was closed; read tensors before calling close()`);
    }
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
      if (count === 0) {
        throw new CheckpointError(
          'truncated',
          `${this.path} ends at byte ${position + done}; it was changed while open`,
        );
      }
      done += count;
    }
  }

  /** Fills a contiguous CPU tensor with `length` bytes from a position in the file. */
  readTensor(tensor: Tensor, position: number, length: number): void {
    this.#chunk ??= new Uint8Array(CHUNK);
    for (let done = 0; done < length; done += CHUNK) {
      const bytes = this.#chunk.subarray(0, Math.min(CHUNK, length - done));
      this.read(bytes, position + done);
      writeBytes(tensor, done, bytes);
    }
  }

  close(): void {
    if (this.#descriptor === null) return;
    abandoned.unregister(this);
    closeSync(this.#descriptor);
    this.#descriptor = null;
    this.#chunk = null;
  }
}

/** Copies bytes into a contiguous CPU tensor's memory. */
export function writeBytes(tensor: Tensor, offset: number, bytes: Uint8Array): void {
  try {
    native.writeBytes(tensor.handle, offset, bytes);
  } catch (error) {
    throw translate(error);
  }
}

/** Copies bytes out of a contiguous CPU tensor's memory. */
export function readBytes(tensor: Tensor, offset: number, bytes: Uint8Array): void {
  try {
    native.readBytes(tensor.handle, offset, bytes);
  } catch (error) {
    throw translate(error);
  }
}
