export { destroyProcessGroup, initProcessGroup, isInitialized, rank, worldSize } from './group.js';
export { launched, type ProcessGroupOptions, type Variables } from './meeting.js';
export {
  allGather,
  allReduce,
  barrier,
  broadcast,
  Work,
  type CollectiveOptions,
  type ReduceOp,
} from './collectives.js';
export { Reducer, type ReducerOptions } from './reducer.js';
export { allReduceCoalesced, broadcastCoalesced } from './coalesced.js';
export type { NativeWork } from '../native/distributed-binding.js';
