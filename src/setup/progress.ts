/** Receives the progress of the set-up; the command line shows it, tests collect it. */
export interface Progress {
  /** Reports one line that stays on the screen. */
  line(text: string): void;
  /** Reports the state of the current step: bytes or files done out of `total`. */
  step(label: string, done: number, total: number): void;
}

/** Formats a size in decimal units, as disks and downloads use them: `191.8 MB`, `4.7 GB`. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}
