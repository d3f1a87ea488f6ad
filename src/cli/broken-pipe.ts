import { interrupt } from './interrupt.js';
import { messageOf } from './system-error.js';

let gone = false;

/** Whether the output of this process leads nowhere any more. */
export function readerIsGone(): boolean {
  return gone;
}

/**
 * Ends the process quietly when nobody reads its output any more, as in `… | head`: at once, or, where work is under
 * way, as at Ctrl-C, so that it cleans up and saves.
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
