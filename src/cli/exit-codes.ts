/** Exit codes of every command. */
export const FAILED = 1;
export const USAGE = 2;
export const INTERRUPTED = 130;
