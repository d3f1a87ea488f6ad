import type { TrainFlags } from './train.js';
import type { Stage } from '../training/config.js';
import type { TrainInput } from './train-config.js';
export async function train(_s: Stage, _i: TrainInput, _f: TrainFlags): Promise<void> {}
