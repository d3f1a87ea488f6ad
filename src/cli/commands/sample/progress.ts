import type { OutputFlags } from '../../model-flags.js';
import { isInteractive } from '../../terminal.js';

/**
 * Returns a function that redraws a progress line on a terminal, and does nothing elsewhere. It takes the numbers of
 * finished images, of images that are being drawn, and of their known codes.
 */
export function progressOf(flags: OutputFlags, images: number, codes: number) {
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
