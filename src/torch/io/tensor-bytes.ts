import { itemSize } from '../core/dtype.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';

/** Bytes copied out of a tensor at a time. */
const CHUNK = 2 ** 20;

/**
 * Returns the same values in row-major order on the CPU: the tensor itself if it is that already. In the current scope.
 */
export function rowMajor(tensor: Tensor): Tensor {
  const plain = tensor.detach();
  // Only dense elements have one address.
  if (plain.storage.address === 0 && plain.numel() > 0 && plain.device === 'cpu')
    return plain.toDense().contiguous();
  return plain.resolveConj().resolveNeg().to('cpu').contiguous();
}

/** Passes the bytes of a contiguous CPU tensor on in chunks; each is valid until the next one. */
export function eachChunk(tensor: Tensor, take: (bytes: Uint8Array) => void): void {
  const size = tensor.numel() * itemSize[tensor.dtype];
  const chunk = new Uint8Array(Math.min(CHUNK, size));
  for (let done = 0; done < size; done += CHUNK) {
    const bytes = chunk.subarray(0, Math.min(CHUNK, size - done));
    torch.readBytes(tensor, done, bytes);
    take(bytes);
  }
}
