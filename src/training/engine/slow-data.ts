import type { Run } from '../../runs/run.js';

/** Returns the advice for a run that waits for its images. */
export function slowData(share: number, { config: { data }, setup: { imagesFrom: kind } }: Run): string {
  const percent = `${Math.round(share * 100)}% of the time goes into waiting for pictures`;
  if (kind === 'folder' || kind === 'list' || kind === undefined) {
    return `${percent}. Decode them once and for all: npx tessera-torch data pack ${data.path} --size ${data.size}`;
  }
  return `${percent}, although they are decoded already: the disk or other programs are slow`;
}
