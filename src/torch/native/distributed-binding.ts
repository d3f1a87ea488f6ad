/** Objects of the addon, freed with their JavaScript objects. */
export type NativeGroup = object;
export type NativeWork = object;
export type NativeReducer = object;

/** `distributed` in the addon's exports (native/c10d). Tensors are on the wire; times are in milliseconds. */
export interface DistributedBinding {
  openGroup(
    host: string,
    port: number,
    rank: number,
    processes: number,
    timeout: number,
    prefix: string,
  ): Promise<NativeGroup>;
  closeGroup(group: NativeGroup): void;

  allReduce(group: NativeGroup, operation: number): NativeWork;
  broadcast(group: NativeGroup, rank: number): NativeWork;
  allGather(group: NativeGroup): NativeWork;
  barrier(group: NativeGroup): NativeWork;
  waitFor(work: NativeWork): void;
  whenDone(work: NativeWork, callback: (failure?: string) => void): void;

  newReducer(group: NativeGroup, bucketBytes: number, findUnused: boolean, views: boolean): NativeReducer;
  rebuildBuckets(reducer: NativeReducer): void;
  prepareForBackward(reducer: NativeReducer): void;
  closeReducer(reducer: NativeReducer): void;
}
