export { Adam, AdamW } from './adam.js';
export type { AdamOptions, AdamSettings } from './adam.js';
export { Optimizer } from './optimizer.js';
export type { GroupOf, OptimizerState, ParameterGroup, ParameterState, SavedGroup } from './optimizer.js';
