/** Checks of a model for images larger than the trained ones, whose codes are drawn through a window. */
import type { ConditionInput, Stage } from '../../../models/conditions/condition.js';
import { LayoutStage } from '../../../models/conditions/layout/stage.js';
import { Several, type ConditionPart } from '../../../models/conditions/several.js';
import { IdentityPermuter } from '../../../models/orders/permuter.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { Tensor } from '../../../torch/index.js';
import { UsageError } from '../../usage-error.js';
import type { ChosenCondition } from './condition.js';
import type { DrawnSize } from './size.js';

/** @throws UsageError if images of that size are drawn through a window, and the model or the flags do not allow it */
export function checkWindow(
  model: TwoStage,
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
  if (condition instanceof Several && condition.parts.some(isLayout)) {
    refuse('a layout among other conditions is that of the whole image, not of a window; leave --size out');
  }
  const area = grid[0] * grid[1];
  for (const tokens of mapTokens(model, first!.row)) {
    if (tokens === area) continue;
    refuse(`the map has ${tokens} tokens for ${area} codes, but windows need one for each; leave --size out`);
  }
}

const isLayout = ({ condStageModel }: ConditionPart) => condStageModel instanceof LayoutStage;

/** Returns the numbers of tokens of the condition's maps: none, one, or those of several. */
function mapTokens({ condStageModel: stage, config }: TwoStage, rows: ConditionInput): number[] {
  if (stage instanceof Several) {
    const [each, size] = [rows as readonly Tensor[], -1]; // Several conditions are not resized.
    return stage.parts.flatMap(({ condStageModel }, i) => tokensOfMap(condStageModel, each[i]!, size));
  }
  return 'shape' in rows ? tokensOfMap(stage, rows, config.downsampleCondSize) : [];
}

/** @param resized side that maps are resized to; −1: they are not */
function tokensOfMap({ stride }: Stage, { shape }: Tensor, resized: number): number[] {
  if (stride === undefined) return [];
  const [height, width] = resized > -1 ? [resized, resized] : (shape.slice(2) as [number, number]);
  return [Math.floor(height / stride) * Math.floor(width / stride)];
}
