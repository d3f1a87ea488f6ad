/** Measures arms alternately, within a time limit. */
import { join } from 'node:path';
import { median, python, startArm } from '../bench/arms.js';
import type { Arm } from '../bench/arms.js';
import type { Timing } from './arm.js';
import type { Row } from './results.js';

export interface Settings {
  device: string;
  /** Use tiny models: everything runs, but the measurements mean nothing. */
  tiny: boolean;
  /** Time limit of this part, in seconds. */
  seconds: number;
}

const folder = join('scripts', 'gpu');

function flags({ device, tiny }: Settings): string[] {
  return ['--device', device, ...(tiny ? ['--tiny'] : [])];
}

/** Starts an arm of this package in a separate process. */
export function ourArm(script: string, settings: Settings): Arm {
  return startArm(process.execPath, ['--import=tsx', join(folder, script), ...flags(settings)]);
}

/** Starts an arm in Python. */
export function pythonArm(script: string, settings: Settings, ...more: string[]): Arm {
  return startArm(python, [join(folder, script), ...flags(settings), ...more], {
    PYTHONUNBUFFERED: '1',
    PYTHONWARNINGS: 'ignore',
  });
}

/** Returns the answer of an arm. @throws Error if the request failed */
export async function ask<T>(arm: Arm, request: Record<string, unknown>): Promise<T> {
  const answer = (await arm.ask(JSON.stringify(request))) as T & { error?: string };
  if (typeof answer?.error === 'string') throw new Error(answer.error);
  return answer;
}

/** Awaits a promise. @throws Error if it takes longer than `seconds` */
export async function within<T>(seconds: number, promised: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took more than ${seconds.toFixed(0)} s`)), 1000 * seconds);
  });
  try {
    return await Promise.race([promised, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

const began = performance.now();

/** Returns the seconds since the part began. */
export function elapsed(): number {
  return (performance.now() - began) / 1000;
}

/** Prints a step of the part, with the time since its start. */
export function say(text: string): void {
  console.log(`[${elapsed().toFixed(0).padStart(4)} s] ${text}`);
}

export interface Case {
  arm: Arm;
  request: Record<string, unknown>;
}

export type Measured = Timing & { peak?: number; fallbacks?: string[] };

/**
 * Measures the cases alternately, each round starting with another one, until `until` seconds after the start; at least
 * one round.
 */
export async function alternate<Name extends string>(
  cases: Record<Name, Case>,
  rounds: number,
  until: number,
): Promise<Record<Name, Measured>[]> {
  const names = Object.keys(cases) as Name[];
  const results: Record<Name, Measured>[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = elapsed();
    const measured = {} as Record<Name, Measured>;
    for (let k = 0; k < names.length; k++) {
      const name = names[(round + k) % names.length]!;
      const { arm, request } = cases[name];
      measured[name] = await ask<Measured>(arm, request);
    }
    results.push(measured);
    const took = elapsed() - before;
    if (elapsed() + took > until) break;
  }
  return results;
}

/** Returns the median of the seconds of a case. */
export function middle<Name extends string>(rounds: readonly Record<Name, Measured>[], name: Name): number {
  return median(rounds.map((round) => round[name].seconds));
}

/** Returns how many times as fast `ours` is as `theirs`: median, lowest and highest ratio of the rounds. */
export function speedup<Name extends string>(
  rounds: readonly Record<Name, Measured>[],
  ours: Name,
  theirs: Name,
): { ratio: number; lowest: number; highest: number } {
  const ratios = rounds.map((round) => round[theirs].seconds / round[ours].seconds);
  return { ratio: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) };
}

/** Parts of a step with their count and share of the time, the largest first. */
export type Profile = [what: string, count: number, share: number][];

/** Returns the first lines of a profile, as a note. */
export function told(title: string, profile: Profile): string {
  const shares = profile
    .slice(0, 8)
    .map(([what, count, share]) => `${what} ${(100 * share).toFixed(0)}% in ${count}`);
  return `where ${title} goes: ${shares.join('; ')}`;
}

/** Returns a line of the table: the largest difference of two lists, and whether it is within a relative tolerance. */
export function agreement(what: string, a: readonly number[], b: readonly number[], tolerance: number): Row {
  const errors = a.map((x, i) => Math.abs(x - b[i]!) / Math.max(Math.abs(b[i]!), 1e-3));
  const worst = Math.max(...errors, a.length === b.length ? 0 : Infinity);
  const reached = worst <= tolerance;
  if (!reached) console.error(`${what} differ: ${a.join(' ')} and ${b.join(' ')}`);
  return { what, value: worst, unit: 'apart', bound: `at most ${tolerance}`, reached };
}
