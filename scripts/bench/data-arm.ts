/** `data-arm.ts FOLDER SECONDS`: streams batches of packed images and prints times in seconds and bytes of memory. */
import { Loader, openImages, packedSize } from 'tessera-torch';

export interface Streamed {
  open: number;
  /** From making a loader to its first batch, which no earlier work has prepared. */
  epochStart: number;
  /** The slowest of the batches around the end of an epoch. */
  nextEpoch: number;
  images: number;
  seconds: number;
  memory: { start: number; opened: number; warm: number; streaming: number[] };
}

const [path = '', seconds = '60'] = process.argv.slice(2);
const batchSize = 256;
const since = (begun: number) => (performance.now() - begun) / 1000;
const resident = () => process.memoryUsage.rss();

const start = resident();
let begun = performance.now();
const { train, close } = await openImages({ path, size: (await packedSize(path))! });
const open = since(begun);
const opened = resident();

begun = performance.now();
const loader = new Loader(train, { batchSize, seed: 1 });
(await loader.next()).images.dispose();
const epochStart = since(begun);

for (let i = 0; i < 50; i++) (await loader.next()).images.dispose();
const warm = resident();
const streaming: number[] = [];
begun = performance.now();
let images = 0;
for (let part = 1; part <= 10; part++) {
  while (since(begun) < (Number(seconds) * part) / 10) {
    const batch = await loader.next();
    images += batch.indices.length;
    batch.images.dispose();
  }
  streaming.push(resident());
}
const streamed = since(begun);
loader.close();

let nextEpoch = 0;
const late = { epoch: 0, position: Math.max(0, train.length - 8 * batchSize) };
const over = new Loader(train, { batchSize, seed: 1, position: late });
await over.next();
for (let i = 0; i < 16; i++) {
  begun = performance.now();
  (await over.next()).images.dispose();
  nextEpoch = Math.max(nextEpoch, since(begun));
}
over.close();
await close();
const memory = { start, opened, warm, streaming };
console.log(
  JSON.stringify({ open, epochStart, nextEpoch, images, seconds: streamed, memory } satisfies Streamed),
);
