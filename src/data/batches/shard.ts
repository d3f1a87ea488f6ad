/** The share of one process in the images that several processes train on together. */
export interface Shard {
  /** Number of the process, from 0. */
  rank: number;
  /** Number of processes. */
  worldSize: number;
  /** Number of images that a process computes at once. The processes take turns in blocks of this many. */
  block: number;
}

/** Returns the items of a process's share: every `worldSize`-th block of `block` items, from the `rank`-th on. */
export function shareOf<T>(items: readonly T[], { rank, worldSize, block }: Shard): T[] {
  return items.filter((_, i) => Math.floor(i / block) % worldSize === rank);
}
