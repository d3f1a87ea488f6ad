import { parseInterval, type Interval } from './config.js';
import type { RunClock } from './clock.js';

/**
 * Returns a function that is true at every n-th step, or whenever the time has passed; with `first`, at the first call
 * too.
 */
export function every(interval: Interval, first = false): (clock: RunClock) => boolean {
  const parsed = parseInterval(interval);
  if ('steps' in parsed) return (clock) => clock.step % parsed.steps === 0;
  let next = first ? 0 : performance.now() + parsed.seconds * 1000;
  return () => {
    if (performance.now() < next) return false;
    next = performance.now() + parsed.seconds * 1000;
    return true;
  };
}
