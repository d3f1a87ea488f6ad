/** The check for what works on grids with one code at each position. */
import { FirstStage } from './vqgan.js';

/**
 * Checks that a first stage has one code at each position, indices [B, h, w]. Stages of other kinds pass.
 *
 * @param user name for errors of what needs that
 * @throws TypeError if its quantizer has several codes at a position, or tokens of several scales
 */
export function checkSingleCodes(stage: object, user: string): void {
  if (!(stage instanceof FirstStage) || stage.hasSingleCodes) return;
  const { indexDims, constructor } = stage.quantize;
  const found = indexDims > 3 ? 'several codes at a position' : 'a row of tokens for an image';
  throw new TypeError(
    `${user} needs one code at each position, indices [B, h, w], but the quantizer ${constructor.name} gives ${found}, ` +
      `indices of ${indexDims} axes: use a first stage with a VectorQuantizer, EMAVectorQuantizer, GumbelQuantizer, SimVQ, ` +
      'or an FSQ or LFQ of one codebook; encode and decodeIndices of the first stage itself take all quantizers',
  );
}
