import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { syncAndClose } from '../../files/sync-file.js';

export interface PackedFile {
  file: string;
  bytes: number;
  sha256: string;
}

/** Writes images one after the other into files of limited size. */
export class ShardWriter {
  readonly shards: PackedFile[] = [];
  #folder: string;
  #nameOf: (number: number) => string;
  #most: number;
  #file: FileHandle | null = null;
  #hash = createHash('sha256');

  /** Names the files by their number; `most` is the largest size of one in bytes. */
  constructor(folder: string, nameOf: (number: number) => string, most = Infinity) {
    this.#folder = folder;
    this.#nameOf = nameOf;
    this.#most = most;
  }

  async write(bytes: Uint8Array): Promise<{ shard: number; offset: number }> {
    let shard = this.shards.at(-1);
    if (this.#file === null || shard === undefined || shard.bytes + bytes.length > this.#most) {
      await this.close();
      const file = this.#nameOf(this.shards.length);
      this.#file = await open(join(this.#folder, file), 'wx');
      this.#hash = createHash('sha256');
      shard = { file, bytes: 0, sha256: '' };
      this.shards.push(shard);
    }
    const offset = shard.bytes;
    await this.#file.writeFile(bytes); // Appends, and writes all of it or fails.
    this.#hash.update(bytes);
    shard.bytes += bytes.length;
    return { shard: this.shards.length - 1, offset };
  }

  async close(): Promise<void> {
    if (this.#file === null) return;
    const file = this.#file;
    this.#file = null;
    (this.shards.at(-1) as PackedFile).sha256 = this.#hash.digest('hex');
    await syncAndClose(file);
  }
}
