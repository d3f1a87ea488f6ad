/** Identifies a first stage by its weights. */
import { createHash } from 'node:crypto';
import type { FirstStage } from '../models/autoencoder/vqgan.js';
import * as torch from '../torch/index.js';
import { eachChunk, rowMajor } from '../torch/io/tensor-bytes.js';
import type { TokenizerDType } from './dtype.js';

/** Keys of the weights that `setDType` converts. */
const converted = /^(encoder|decoder|quant_conv|post_quant_conv)\./;

/**
 * Returns the SHA-256 of the weights in hexadecimal, without the training loss: it changes with any of them.
 *
 * @param dtype hash them as `setDType` would convert them; default: as they are
 */
export function fingerprintOfWeights(model: FirstStage, dtype?: TokenizerDType): string {
  const hash = createHash('sha256');
  torch.noGrad(() => {
    for (const [key, given] of [...model.stateDict()].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (key.startsWith('loss.')) continue;
      torch.scope(() => {
        const converts = dtype !== undefined && converted.test(key) && given.dtype.includes('float');
        const tensor = converts ? given.to(dtype) : given;
        hash.update(`${key} ${tensor.dtype} [${tensor.shape.join(', ')}]\n`);
        eachChunk(rowMajor(tensor), (bytes) => hash.update(bytes));
      });
    }
  });
  return hash.digest('hex');
}
