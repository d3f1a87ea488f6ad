/** The group of processes that this one belongs to, for messages of errors. */
export interface Peers {
  rank: number;
  worldSize: number;
  /** Where the processes meet, such as `127.0.0.1:29500`. */
  address: string;
  /** Seconds after which waiting for another process fails. */
  timeout: number;
}

let known: Peers | null = null;

/** Returns the group that was last set; null in a process that never joined one. */
export const peers = (): Peers | null => known;

/** Sets what errors say about the group. */
export function setPeers(group: Peers): void {
  known = group;
}
