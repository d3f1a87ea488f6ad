/** Configuration that a second stage takes from the run of its first stage. */
import { readConfig } from '../../../runs/folder.js';
import { RunError } from '../../../runs/error.js';
import type { ConfigTree } from './config-files.js';

/**
 * Returns the image settings of the first stage, so that a transformer sees the same images.
 *
 * @throws RunError if `run` is not a run of a VQGAN
 */
export async function inheritedConfig(run: string): Promise<ConfigTree> {
  const { stage, data } = await readConfig(run);
  if (stage !== 'vqgan')
    throw new RunError(`${run} is the run of a ${stage}; --vqgan takes the run of a VQGAN`);
  return { data: { ...data } };
}
