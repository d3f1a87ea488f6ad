export * from './adadelta.js';
export * from './adagrad.js';
export * from './adam.js';
export * from './adam-relatives.js';
export * from './asgd.js';
export * from './averaged-model.js';
export * from './checkpoint-state.js';
export * from './composed-schedulers.js';
export * from './cosine-schedulers.js';
export * from './cyclic.js';
export * from '../amp/grad-scaler.js';
export * from './lambda-schedulers.js';
export type { ListOptimizer } from './list-optimizer.js';
export * from './one-cycle.js';
export { Optimizer } from './optimizer.js';
export type {
  GroupOf,
  Optimized,
  OptimizerState,
  ParameterGroup,
  ParameterState,
  SavedGroup,
} from './optimizer.js';
export * from './plateau.js';
export * from './rmsprop.js';
export * from './rprop.js';
export { LRScheduler } from './scheduler.js';
export type { Schedulable, Schedule, ScheduledGroup, SchedulerState } from './scheduler.js';
export * from './schedulers.js';
export * from './sgd.js';
