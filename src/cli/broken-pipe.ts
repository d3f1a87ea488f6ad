import { interrupt } from './interrupt.js';
import { messageOf } from './system-error.js';

let gone = false;

/** True if nobody reads the output of this process any more. */
export function readerIsGone(): boolean {
  return gone;
}

/**
 * Ends the process without an error when nobody reads its output any more, as in `… | head`: at once, or, during work,
 * as on Ctrl-C, so that it cleans up and saves.
 */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') {
        gone = true;
        if (!interrupt()) process.exit();
        return;
      }
      if (stream === process.stdout) process.stderr.write(`error: output: ${messageOf(error)}\n`);
      process.exit(1);
    });
  }
}
