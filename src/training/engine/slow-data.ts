import type { Run } from '../../runs/run.js';

/** Returns advice for a run that spends much of its time waiting for images, once; otherwise null. */
export function slowData(run: Run): string | null {
  const share = run.waitsTooMuch();
  if (share === null) return null;
  const {
    config: { data },
    setup: { imagesFrom: kind },
  } = run;
  const percent = `${Math.round(share * 100)}% of the time goes into waiting for images`;
  if (kind === 'folder' || kind === 'list' || kind === undefined) {
    return `${percent}. Decode them once: npx tessera-torch data pack ${data.path} --size ${data.size}`;
  }
  return `${percent}, although they are already decoded: the disk is slow, or other programs are using it or the processors`;
}
