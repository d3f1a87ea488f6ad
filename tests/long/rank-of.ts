/** Processes that `tessera launch` started. */
import { readdirSync, readFileSync } from 'node:fs';

/** Finds a launched process by its parent and its rank. */
export function rankOf(parent: number, rank: number): number {
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const ofParent = new RegExp(`^PPid:\\s+${parent}$`, 'm').test(
        readFileSync(`/proc/${name}/status`, 'utf8'),
      );
      return ofParent && readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(`RANK=${rank}`);
    } catch {
      return false; // It has ended.
    }
  });
  if (children.length !== 1) throw new Error(`found ${children.length} processes of rank ${rank}`);
  return Number(children[0]);
}
