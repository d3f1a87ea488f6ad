/** What the schedules share that cycle the momentum against the learning rate. */
import { ArgumentError } from '../core/errors.js';
import type { ScheduledGroup } from './scheduler.js';

/** Returns a value for each group from one for all, or one for each. */
export function perGroup(
  schedule: string,
  groups: readonly unknown[],
  value: number | readonly number[],
  name: string,
): number[] {
  if (typeof value === 'number') return groups.map(() => value);
  if (value.length === groups.length) return [...value];
  throw new ArgumentError(
    `${schedule}: ${value.length} values of ${name} for ${groups.length} parameter groups`,
  );
}

/** True if the momentum of the groups is Adam's first beta. @throws ArgumentError if it is cycled but there is none */
export function cyclesBeta1(schedule: string, groups: readonly ScheduledGroup[], cycled: boolean): boolean {
  const useBeta1 = groups.every((group) => group.betas !== undefined);
  if (!cycled || useBeta1 || groups.every((group) => group.momentum !== undefined)) return useBeta1;
  throw new ArgumentError(`${schedule}: the optimizer has no momentum to cycle; pass cycleMomentum: false`);
}

export function setMomentum(group: ScheduledGroup, momentum: number, useBeta1: boolean): void {
  if (useBeta1) group.betas = [momentum, group.betas?.[1] as number];
  else group.momentum = momentum;
}
