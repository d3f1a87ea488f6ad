/** Progress of reading, checking and writing large files: bytes, rate and time left. */
import type { OnBytes } from '../runs/checkpoint.js';
import { formatBytes } from '../setup/progress.js';
import { duration } from './numbers.js';
import { isInteractive, liveLine } from './terminal.js';

/** Milliseconds before the first line, and between redraws: what is done sooner is not shown. */
const REDRAW = 200;

/**
 * Returns a function that redraws a line on a terminal, and does nothing elsewhere, or if only errors or JSON are wanted; `end`
 * removes the line.
 *
 * @param now milliseconds
 */
export function byteProgress(
  { quiet, json }: { quiet?: boolean; json?: boolean },
  stream: NodeJS.WriteStream = process.stderr,
  now: () => number = () => performance.now(),
): { tell: OnBytes; end(): void } {
  if (quiet || json || !isInteractive(stream)) return { tell: () => {}, end: () => {} };
  const { draw, clear } = liveLine(stream);
  let what = '';
  let [started, drawn] = [0, 0];
  return {
    tell(name, done, total) {
      const time = now();
      if (name !== what) [what, started, drawn] = [name, time, time];
      if (time - drawn < REDRAW) return;
      drawn = time;
      const rate = done / ((time - started) / 1000);
      const left = duration((total - done) / rate);
      draw(`${name}: ${formatBytes(done)} of ${formatBytes(total)}, ${formatBytes(rate)}/s, ${left} left`);
    },
    end: clear,
  };
}
