import { styleText } from 'node:util';
import type { Progress } from '../setup/progress.js';

const BAR = 24;
const REDRAW = 100;

/** True if bars and colours can be shown on a stream: it is a terminal, and not in CI. */
export function isInteractive(stream: NodeJS.WriteStream): boolean {
  return Boolean(stream.isTTY) && !process.env['CI'] && process.env['TERM'] !== 'dumb';
}

type Style = Parameters<typeof styleText>[0];

/** Returns the text in a style if the stream shows colours and NO_COLOR is not set; plain otherwise. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return isInteractive(stream) && !process.env['NO_COLOR'] ? styleText(style, text) : text;
}

/**
 * Shows progress on stderr: as a bar on a terminal, otherwise as a plain line at each quarter, so that logs stay short.
 */
export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): Progress & { end(): void } {
  return isInteractive(stream) ? barProgress(stream) : plainProgress(stream);
}

/** Returns the functions of a line that is drawn over itself, and of whole lines above it. */
export function liveLine(stream: NodeJS.WriteStream) {
  let drawn = false;
  const clear = () => {
    if (drawn) stream.write('\r\x1b[K');
    drawn = false;
  };
  const draw = (text: string) => {
    stream.write(`\r\x1b[K${text}`);
    drawn = true;
  };
  const line = (text: string) => {
    clear();
    stream.write(`${text}\n`);
  };
  return { clear, draw, line };
}

/** Returns a bar of `width` signs, filled to a share from 0 to 1. */
export function barOf(share: number, width: number): string {
  const full = Math.round(share * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

function barProgress(stream: NodeJS.WriteStream): Progress & { end(): void } {
  const { clear, draw, line } = liveLine(stream);
  let last = 0;
  return {
    line,
    step(label, done, total) {
      const now = Date.now();
      if (now - last < REDRAW && done < total) return;
      last = now;
      const share = total > 0 ? Math.min(1, done / total) : 0;
      draw(`${label} ${barOf(share, BAR)} ${(share * 100).toFixed(0)}%`);
      if (done >= total) clear();
    },
    end: clear,
  };
}

function plainProgress(stream: NodeJS.WriteStream): Progress & { end(): void } {
  let label = '';
  let quarter = 0;
  return {
    line(text) {
      stream.write(`${text}\n`);
    },
    step(name, done, total) {
      if (name !== label) [label, quarter] = [name, 0];
      const now = total > 0 ? Math.floor((4 * Math.min(done, total)) / total) : 0;
      if (now > quarter) stream.write(`${name}: ${now * 25}%\n`);
      // A step that starts over (a second archive) is reported again.
      quarter = now;
    },
    end() {},
  };
}
