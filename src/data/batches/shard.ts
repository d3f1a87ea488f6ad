/** The share of one process in what several train on together. */
export interface Shard {
  /** Number of the process, from 0. */
  rank: number;
  /** Number of processes. */
  worldSize: number;
  /** Number of images that a process computes at once. Each takes so many in turn. */
  block: number;
}

/** Returns the items of a process's share: every `worldSize`-th block of `block` items, from the `rank`-th on. */
export function shareOf<T>(items: readonly T[], { rank, worldSize, block }: Shard): T[] {
  return items.filter((_, i) => Math.floor(i / block) % worldSize === rank);
}
