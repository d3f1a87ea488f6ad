import { isInteractive } from '../../terminal.js';

/**
 * Returns a function that redraws a progress line on a terminal, and does nothing elsewhere. It is told how many images are
 * finished, how many are being drawn, and how many of their codes are known.
 */
export function progressOf(flags: { quiet?: boolean; json?: boolean }, images: number, codes: number) {
  const { stderr } = process;
  if (flags.quiet || flags.json || !isInteractive(stderr)) return () => {};
  let last = 0;
  return (finished: number, present: number, drawn: number) => {
    const now = Date.now();
    const done = finished === images;
    if (now - last < 100 && !done) return;
    last = now;
    const share = (finished + (present * drawn) / codes) / images;
    stderr.write(done ? '\r\x1b[K' : `\r\x1b[Kdrawing codes ${Math.floor(share * 100)}%`);
  };
}
