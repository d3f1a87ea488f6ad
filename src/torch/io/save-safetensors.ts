import { randomBytes } from 'node:crypto';
import { closeSync, openSync, realpathSync, writeSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { itemSize } from '../dtype.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { CheckpointError } from './checkpoint-error.js';
import { readBytes } from './checkpoint-file.js';
import { buildHeader, formatOf } from './safetensors.js';

export interface SaveOptions {
  /** Strings kept in the header. */
  metadata?: Readonly<Record<string, string>>;
}

type Named = readonly [string, Tensor];

/** Bytes copied out of a tensor at a time. */
const CHUNK = 8 * 2 ** 20;

/**
 * Writes tensors to a safetensors file. The file appears whole or not at all: it is written under another name in
 * the same folder, flushed to the disk and renamed. The values are those of the moment of the call: all of them are
 * read before it returns its promise, so training may go on while that is pending.
 *
 * Tensors that share memory are written once each. Any device, dtype and layout in which elements are dense.
 *
 * @param tensors a Map or object; keys as from `model.stateDict()`
 * @throws CheckpointError or the system's error; an older file of that name is untouched then
 */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  { metadata = {} }: SaveOptions = {},
): Promise<void> {
  const entries = sorted(
    tensors instanceof Map ? [...(tensors as ReadonlyMap<string, Tensor>)] : Object.entries(tensors),
  );
  const header = buildHeader(entries.map(describe), checked(metadata));
  const target = followed(path);
  const temporary = join(
    dirname(target),
    `.${basename(target)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  const descriptor = openSync(temporary, 'wx');
  try {
    try {
      writeAll(descriptor, header);
      for (const [, tensor] of entries)
        torch.noGrad(() => torch.scope(() => writeTensor(descriptor, tensor)));
    } finally {
      closeSync(descriptor);
    }
    await flush(temporary, 'r+');
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await flushFolder(dirname(target));
}

/** Larger elements first, so that every tensor is aligned to its own; otherwise in the order given. */
function sorted(entries: Named[]): Named[] {
  for (const [name, tensor] of entries) {
    if (!(tensor instanceof torch.Tensor))
      throw new torch.ArgumentError(`${JSON.stringify(name)} is no tensor`);
    if (name === '__metadata__') throw new torch.ArgumentError("a tensor cannot be called '__metadata__'");
    if (/\p{Surrogate}/u.test(name))
      throw new torch.ArgumentError(`${JSON.stringify(name)} is not valid Unicode`);
  }
  return entries.sort(([, a], [, b]) => itemSize[b.dtype] - itemSize[a.dtype]);
}

function describe([name, tensor]: Named): [
  string,
  { format: string; shape: readonly number[]; byteLength: number },
] {
  const format = formatOf(tensor.dtype);
  if (format === undefined) {
    throw new CheckpointError(
      'dtype',
      `tensor ${JSON.stringify(name)} is ${tensor.dtype}, which safetensors cannot hold; cast it first`,
    );
  }
  return [name, { format, shape: tensor.shape, byteLength: tensor.numel() * itemSize[tensor.dtype] }];
}

function checked(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') {
      throw new CheckpointError(
        'metadata',
        `metadata ${JSON.stringify(key)} is no string; use JSON.stringify`,
      );
    }
  }
  return metadata;
}

/** A link is written through, as by other programs, instead of being replaced. */
function followed(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function writeTensor(descriptor: number, tensor: Tensor): void {
  const plain = tensor.detach().resolveConj().resolveNeg().to('cpu').contiguous();
  const size = plain.numel() * itemSize[plain.dtype];
  const chunk = new Uint8Array(Math.min(CHUNK, size));
  for (let done = 0; done < size; done += CHUNK) {
    const bytes = chunk.subarray(0, Math.min(CHUNK, size - done));
    readBytes(plain, done, bytes);
    writeAll(descriptor, bytes);
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
}

async function flush(path: string, flags: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the new name last through a power failure; some systems cannot, and the file is whole either way. */
async function flushFolder(path: string): Promise<void> {
  await flush(path, 'r').catch(() => {});
}
