import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { writeBytes } from '../creation.js';
import type { Tensor } from '../core/tensor.js';
import { fail } from './checkpoint-error.js';
import { folderAdvice } from './file-format.js';

/** Bytes read at a time: large enough for full speed, small enough to be copied while in the processor's cache. */
const CHUNK = 2 ** 19;

const abandoned = new FinalizationRegistry((descriptor: number) => {
  try {
    closeSync(descriptor);
  } catch {
    // Closing cannot be retried, and nothing depends on it.
  }
});

/** Explains a missing file whose name is not valid UTF-8: Node has replaced the invalid bytes. '' for other names. */
export function lostBytes(path: string): string {
  if (!path.includes('\ufffd')) return '';
  return '; the name holds U+FFFD, as Node reads bytes that are not UTF-8: rename the file, or make a link to it';
}

/**
 * A file opened for positional reads. It is read instead of mapped: mapped pages would count as the process's memory.
 */
export class CheckpointFile {
  readonly path: string;
  readonly size: number;
  #descriptor: number | null;
  #chunk: Uint8Array | null = null;

  constructor(path: string) {
    this.path = path;
    try {
      // Opening a pipe would block until another process writes to it.
      this.#descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    } catch (cause) {
      const { message } = cause as Error;
      fail('not-found', `cannot open checkpoint ${path}: ${message}${lostBytes(path)}`, cause);
    }
    const stat = fstatSync(this.#descriptor);
    if (!stat.isFile()) {
      closeSync(this.#descriptor);
      fail('not-found', `${path} ${folderAdvice(path)}`);
    }
    this.size = stat.size;
    abandoned.register(this, this.#descriptor, this);
  }

  /** Fills `bytes` from a position in the file. */
  read(bytes: Uint8Array, position: number): void {
    if (this.#descriptor === null) {
      fail('closed', `${this.path} was closed; read tensors before calling close()`);
    }
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(this.#descriptor, bytes, done, bytes.length - done, position + done);
      if (count === 0) {
        fail('truncated', `${this.path} ends at byte ${position + done}; it was changed while open`);
      }
      done += count;
    }
  }

  /** Passes a part of the file on in chunks; each is valid until the next one. */
  stream(position: number, length: number, take: (bytes: Uint8Array, done: number) => void): void {
    this.#chunk ??= new Uint8Array(CHUNK);
    for (let done = 0; done < length; done += CHUNK) {
      const bytes = this.#chunk.subarray(0, Math.min(CHUNK, length - done));
      this.read(bytes, position + done);
      take(bytes, done);
    }
  }

  /**
   * Fills a contiguous CPU tensor with `length` bytes from a position in the file.
   *
   * @param look called with each chunk of bytes as it is read
   */
  readTensor(tensor: Tensor, position: number, length: number, look?: (bytes: Uint8Array) => void): void {
    this.stream(position, length, (bytes, done) => {
      look?.(bytes);
      writeBytes(tensor, done, bytes);
    });
  }

  close(): void {
    if (this.#descriptor === null) return;
    abandoned.unregister(this);
    closeSync(this.#descriptor);
    this.#descriptor = null;
    this.#chunk = null;
  }
}
