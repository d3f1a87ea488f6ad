/** NumPy's array files (.npy, format versions 1 to 3): a header in Python's notation, then the elements. */
import { readFile } from 'node:fs/promises';
import { writeAll, writeAtomically } from '../../files/atomic-file.js';
import { itemSize } from '../core/dtype.js';
import { unrecorded } from '../core/unrecorded.js';
import { empty, writeBytes } from '../creation.js';
import { scope, type Tensor } from '../index.js';
import { CheckpointError } from './checkpoint-error.js';
import { codeOfDType, dtypeOfCode, swapBytes } from './numpy-dtypes.js';
import { eachChunk, rowMajor } from './tensor-bytes.js';

const MAGIC = '\x93NUMPY';
/** Positions of the format's version, and of the header's length after it. */
const VERSION = MAGIC.length;
const LENGTH = VERSION + 2;

/**
 * Reads an array that `numpy.save` wrote.
 *
 * @returns a tensor of its dtype and shape on the CPU
 * @throws CheckpointError for a file that is damaged, or holds Python objects or text; the system's error for one that
 *   cannot be read
 *
 * @example
 * ```ts
 * const used = await loadNpy('used-codes.npy'); // int64 [N]
 * ```
 */
export async function loadNpy(path: string): Promise<Tensor> {
  return parseNpy(await readFile(path), path);
}

/**
 * Writes a tensor as a file that `numpy.load` reads, without pickling. The write is atomic. bfloat16, which NumPy does
 * not have, must be converted before.
 *
 * @throws CheckpointError for a dtype that NumPy does not have; the system's error for a file that cannot be written
 *
 * @example
 * ```ts
 * await saveNpy('codes.npy', torch.tensor([[3, 1], [4, 1]], { dtype: 'int32' }));
 * ```
 */
export async function saveNpy(path: string, tensor: Tensor): Promise<void> {
  const code = codeOfDType(tensor.dtype);
  if (code === undefined) {
    throw new CheckpointError(
      'dtype',
      `NumPy has no element type for ${tensor.dtype}; convert it first, for example to float32`,
    );
  }
  const header = headerOf(code, tensor.shape);
  await writeAtomically(path, (descriptor) => {
    writeAll(descriptor, header);
    unrecorded(() => eachChunk(rowMajor(tensor), (bytes) => writeAll(descriptor, bytes)));
  });
}

function headerOf(code: string, shape: readonly number[]): Uint8Array {
  const order = code.endsWith('1') ? '|' : '<';
  const sizes = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`; // as Python writes a tuple
  const text = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': ${sizes}, }`;
  // The elements begin at a multiple of 64 bytes.
  const length = Math.ceil((LENGTH + 2 + text.length + 1) / 64) * 64 - LENGTH - 2;
  const bytes = Buffer.from(`${MAGIC}\x01\x00\0\0${text.padEnd(length - 1)}\n`, 'latin1');
  bytes.writeUInt16LE(length, LENGTH);
  return bytes;
}

/**
 * Parses the bytes of a .npy file; `name` identifies it in messages.
 * @throws CheckpointError for bytes that are not such a file
 */
export function parseNpy(file: Uint8Array, name: string): Tensor {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const fail = (problem: 'unknown-format' | 'truncated' | 'header-structure' | 'dtype', what: string) =>
    new CheckpointError(problem, `${name} ${what}`);
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw fail('unknown-format', 'is not a NumPy array (.npy)');
  }
  const version = bytes[VERSION] ?? 0;
  const wide = version > 1;
  const begin = LENGTH + (wide ? 4 : 2);
  if (version < 1 || version > 3) {
    throw fail('unknown-format', `has version ${version} of NumPy's format; versions 1 to 3 are supported`);
  }
  if (bytes.length < begin) throw fail('truncated', 'ends within its header');
  const end = begin + (wide ? bytes.readUInt32LE(LENGTH) : bytes.readUInt16LE(LENGTH));
  if (bytes.length < end) throw fail('truncated', 'ends within its header');

  const header = bytes.toString('latin1', begin, end);
  const descr = /'descr': *'([^']*)'/.exec(header)?.[1];
  const columnMajor = /'fortran_order': *(True|False)/.exec(header)?.[1];
  const sizes = /'shape': *\(((?: *\d+L? *,?)*) *\)/.exec(header)?.[1];
  if (columnMajor === undefined || sizes === undefined) {
    throw fail('header-structure', 'has a header without the order or the shape of the array');
  }
  const [, byteOrder, code] = /^([<>|=]?)([a-z]\d+)$/.exec(descr ?? '') ?? [];
  const dtype = code === undefined ? null : dtypeOfCode(code);
  if (dtype === null) {
    throw fail(
      'dtype',
      `holds elements of the type ${descr ?? 'of a record'}; save it as an array of integers, floats or booleans`,
    );
  }
  const shape = (sizes.match(/\d+/g) ?? []).map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  const length = count * itemSize[dtype];
  if (!shape.every(Number.isSafeInteger) || bytes.length - end !== length) {
    throw fail(
      'truncated',
      `has ${bytes.length - end} bytes of elements; [${shape.join(', ')}] of ${dtype} takes ${length}`,
    );
  }
  const elements = Uint8Array.prototype.slice.call(bytes, end); // A copy, whose order of bytes may be changed.
  if (byteOrder === '>') swapBytes(elements, dtype);
  return scope(() => {
    const reversed = columnMajor === 'True' && shape.length > 1;
    const tensor = empty(reversed ? shape.toReversed() : shape, { dtype });
    if (count > 0) writeBytes(tensor, 0, elements);
    return reversed ? tensor.permute(shape.map((_, i) => shape.length - 1 - i)).contiguous() : tensor;
  });
}
