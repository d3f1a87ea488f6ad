/** Configuration that a second stage takes from the run of its first stage. */
import { codesOfConfig } from '../../../models/autoencoder/stride.js';
import { readConfig } from '../../../runs/folder.js';
import { RunError } from '../../../runs/error.js';
import type { ConfigTree } from './config-files.js';

/**
 * Returns the image settings of the first stage, and the sizes of a transformer for its codes: a vocabulary as large as
 * the codebook, and a block as long as the codes of one image.
 *
 * @throws RunError if `run` is not a run of a VQGAN
 */
export async function inheritedConfig(run: string): Promise<ConfigTree> {
  const { stage, model, data } = await readConfig(run);
  if (stage !== 'vqgan')
    throw new RunError(`${run} is the run of a ${stage}; --vqgan takes the run of a VQGAN`);
  const { nEmbed, codesPerSide } = codesOfConfig(model.params!);
  return {
    model: {
      params: {
        transformer_config: { params: { vocab_size: nEmbed, block_size: codesPerSide(data.size) ** 2 } },
      },
    },
    data: { ...data },
  };
}
