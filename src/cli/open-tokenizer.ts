import type { RunConfig } from '../runs/config.js';
import { describeRun } from '../runs/open.js';
import { ImageTokenizer } from '../tokenizer/image-tokenizer.js';
import { sourceOf } from './model-flags.js';
import type { TokenFlags } from './token-flags.js';
import { UsageError } from './usage-error.js';

/**
 * Shapes of inputs for which oneDNN keeps compiled operators. Of its own 1,024, images of many sizes fill all: 12,000 small
 * ones of random sizes then take a third more memory, and no less time.
 */
const COMPILED_SHAPES = 128;

/** Properties of a tokenizer by which flags are checked. */
export type TokenizerFacts = Pick<ImageTokenizer, 'nCodes' | 'stride' | 'channels' | 'size'>;

/**
 * Opens the tokenizer of a run or a checkpoint file after the flags have been checked, before the weights are read.
 *
 * @param check throws what is wrong with the flags; `data` is that of the run, with the images that it was trained on
 * @throws UsageError with the message of what `check` threw
 */
export async function openTokenizer(
  run: string,
  flags: TokenFlags,
  check: (facts: TokenizerFacts, data: RunConfig['data']) => void,
): Promise<ImageTokenizer> {
  process.env['ONEDNN_PRIMITIVE_CACHE_CAPACITY'] ??= String(COMPILED_SHAPES); // Read at the first operator.
  const source = sourceOf(run, flags);
  const { model, config } = await describeRun(source, 'vqgan');
  const { nCodes, stride, encoder } = model;
  try {
    check({ nCodes, stride, channels: encoder.inChannels, size: config.data.size }, config.data);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
  return ImageTokenizer.open(source, { device: flags.device, dtype: flags.precision });
}
