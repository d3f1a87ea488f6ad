import type { Run } from '../../runs/run.js';

/** Returns the advice for a run that waits for its images. */
export function slowData(share: number, { config: { data }, setup: { imagesFrom: kind } }: Run): string {
  const percent = `${Math.round(share * 100)}% of the time goes into waiting for images`;
  if (kind === 'folder' || kind === 'list' || kind === undefined) {
    return `${percent}. Decode them once: npx tessera-torch data pack ${data.path} --size ${data.size}`;
  }
  return `${percent}, although they are already decoded: the disk is slow, or other programs are using it or the processors`;
}
