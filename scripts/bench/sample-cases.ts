/** Case that sample.ts measures; both arms get it as JSON. */
export interface SampleCase {
  name: string;
  layers: number;
  width: number;
  batch: number;
  /** Loop of Python's arm: the reference's with its cache, without a cache, or over whole windows. */
  theirs: 'cached' | 'uncached' | 'windows';
  /** Sampled in windows of 16 × 16 codes over a grid of this height and width. */
  window?: [number, number];
  /** Least speed that we aim at, as a multiple of theirs. */
  aim: number;
  /** Takes minutes: one round. */
  slow?: boolean;
}

const small = { layers: 8, width: 256, batch: 8 };
const large = { layers: 24, width: 1024, batch: 1 };

export const sampleCases: readonly SampleCase[] = [
  { name: '8 × 256, batch 8, cached', ...small, theirs: 'cached', aim: 2.2 },
  { name: '24 × 1024, batch 1, cached', ...large, theirs: 'cached', aim: 1.1 },
  { name: '8 × 256, batch 8, uncached', ...small, theirs: 'uncached', aim: 15, slow: true },
  { name: '24 × 1024, batch 1, uncached', ...large, theirs: 'uncached', aim: 6, slow: true },
  {
    name: 'window, 20 × 32',
    layers: 8,
    width: 256,
    batch: 1,
    theirs: 'windows',
    window: [20, 32],
    aim: 1.3,
    slow: true,
  },
];
