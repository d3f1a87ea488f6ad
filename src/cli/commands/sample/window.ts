/** What images larger than the trained ones need of a model, as their codes are drawn through a window. */
import { CoordStage } from '../../../models/conditions/coordinates.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { IdentityPermuter } from '../../../models/orders/permuter.js';
import type { Net2NetTransformer } from '../../../models/two-stage.js';
import { UsageError } from '../../usage-error.js';
import type { ChosenCondition } from './condition.js';
import type { DrawnSize } from './size.js';

/** @throws UsageError if images of that size are drawn through a window, and the model or the flags do not allow it */
export function checkWindow(
  model: Net2NetTransformer,
  { size: [height, width], grid, window }: DrawnSize,
  [first]: readonly ChosenCondition[],
  run: string,
): void {
  if (window === null) return;
  const refuse = (what: string) => {
    throw new UsageError(
      `${width}x${height} pixels are more than ${run} was trained on, and are drawn through a window: ${what}`,
    );
  };
  const { permuter, pkeep, condition } = model;
  if (!(permuter instanceof IdentityPermuter)) {
    refuse(
      `the model draws codes in the order of ${permuter.constructor.name}, not row by row; leave --size out`,
    );
  }
  if (pkeep <= 0) refuse('the model draws all codes at once; leave --size out');
  if (condition.embed) refuse('the vectors do not say where a window is; leave --size out');
  const [tokens, area] = [mapTokens(model, first!), grid[0] * grid[1]];
  if (tokens !== null && tokens !== area) {
    refuse(`the map has ${tokens} tokens for ${area} codes, but windows need one for each; leave --size out`);
  }
}

/** Returns the number of tokens of a map; null for other conditions. */
function mapTokens(
  { condStageModel: stage, config }: Net2NetTransformer,
  { row }: ChosenCondition,
): number | null {
  const stride =
    stage instanceof FirstStage ? stage.stride : stage instanceof CoordStage ? stage.downFactor : null;
  if (stride === null || !('shape' in row)) return null;
  const side = config.downsampleCondSize;
  const [height, width] = side > -1 ? [side, side] : (row.shape.slice(2) as [number, number]);
  return Math.floor(height / stride) * Math.floor(width / stride);
}
