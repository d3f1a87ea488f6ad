/** All conditions, and their registry. To add one, add its file, and an export and an entry here. */
import type { Schema } from '../../config/schema.js';
import { Labelator } from './class.js';
import type { Condition, ConditionSizes, Stage } from './condition.js';
import { CoordStage } from './coordinates.js';
import { LayoutStage } from './layout/stage.js';
import { SOSProvider } from './none.js';
import { Several } from './several.js';
import { DummyCondStage } from './tokens.js';
import { VectorStage } from './vectors.js';

export { Labelator } from './class.js';
export type { Condition, ConditionInput, ConditionSizes, Stage } from './condition.js';
export { CoordStage } from './coordinates.js';
export { additionalParametersString, type ObjectAnnotation, type ObjectFlags } from './layout/annotation.js';
export * from './layout/boxes.js';
export {
  ObjectsBoundingBoxConditionalBuilder,
  ObjectsCenterPointsConditionalBuilder,
  type CenterPoint,
  type LayoutConfig,
  type ObjectsConditionalBuilder,
} from './layout/builder.js';
export * from './layout/coco.js';
export { LayoutStage } from './layout/stage.js';
export { SOSProvider } from './none.js';
export { Several, type ConditionPart } from './several.js';
export { DummyCondStage } from './tokens.js';
export { VectorStage } from './vectors.js';

/** A condition's class, and its name in configurations. */
export interface ConditionEntry {
  readonly Class: (new (config: never) => Stage & Condition) & {
    readonly schema: Schema;
    /**
     * Returns its sizes for `params` of a configuration and images of `size` pixels, from which a run sizes its prior, also
     * while settings that the images decide are missing; `build` makes the condition. Left out: one token and no ids, or
     * those of each part of several.
     */
    sizes?(
      params: Readonly<Record<string, unknown>>,
      size: number,
      build: () => Stage & Condition,
    ): ConditionSizes;
  };
  /** Its name in configurations, if the reference has the class. Default: `tessera.conditions.NAME`. */
  readonly target?: string;
}

/** Conditions by their name under `tessera.conditions` in configurations. */
export const conditions: Readonly<Record<string, ConditionEntry>> = {
  CoordStage: { Class: CoordStage, target: 'taming.modules.misc.coord.CoordStage' },
  Labelator: { Class: Labelator, target: 'taming.modules.util.Labelator' },
  SOSProvider: { Class: SOSProvider, target: 'taming.modules.util.SOSProvider' },
  DummyCondStage: { Class: DummyCondStage, target: 'taming.models.dummy_cond_stage.DummyCondStage' },
  LayoutStage: { Class: LayoutStage },
  Several: { Class: Several },
  VectorStage: { Class: VectorStage },
};
