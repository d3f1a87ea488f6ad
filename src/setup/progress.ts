/** How the set-up tells what it does; the command line shows it, tests collect it. */
export interface Progress {
  /** One line that stays. */
  line(text: string): void;
  /** State of the step that is running: bytes or files done out of `total`. */
  step(label: string, done: number, total: number): void;
}

/** `191.8 MB`, `4.7 GB`: decimal units, as disks and downloads are sold. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`;
}
