/** What a second stage takes over from the run of its first. */
import { codesOfConfig } from '../../../models/autoencoder/stride.js';
import { readConfig } from '../../../runs/folder.js';
import { RunError } from '../../../runs/error.js';
import type { ConfigTree } from './config-files.js';

/**
 * Pictures as the first stage saw them, and a transformer laid out for its codes: as many words as the codebook has
 * codes, a block as long as a picture's.
 *
 * @throws RunError if `run` is no run of a VQGAN
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
