import { createHash } from 'node:crypto';
import test from 'ava';
import { fingerprintOf } from '../../src/data/fingerprint.js';
import { ImageSource, type PictureStore } from '../../src/data/image-source.js';
import { contentHash } from '../../src/data/split.js';

const length = 2500; // Their lines take more than two of the blocks that are hashed at once.
const hashes = Array.from({ length }, (_, i) => contentHash(`picture ${i}`));

function storeOf(label: PictureStore['label'], classes: string[]): PictureStore {
  return {
    length,
    classes,
    name: String,
    label,
    hash: (index) => hashes[index]!,
    load: () => ({ width: 1, height: 1, pixels: new Uint8Array(3) }),
    close: async () => {},
  };
}

/** The fingerprint as it is defined, which checkpoints record. */
function defined([train, heldOut]: readonly ImageSource[]): string {
  const lines = (source: ImageSource) =>
    Array.from({ length: source.length }, (_, i) => `${source.hash(i)} ${source.label(i) ?? '-'}\n`);
  const counts = JSON.stringify([train!.length, heldOut!.length, train!.classes]);
  const text = [counts, ...lines(train!), ...lines(heldOut!)].join('');
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

const labels: [string, PictureStore['label'], string[]][] = [
  ['no classes', () => undefined, []],
  ['labels of one to three digits', (index) => (index * 7) % 120, Array.from({ length: 120 }, String)],
];
for (const [name, label, classes] of labels) {
  test(`images known by strings or by bytes have the defined fingerprint: ${name}`, (t) => {
    const texts = storeOf(label, classes);
    const bytes = Buffer.from(hashes.map((hash) => `${'ff'.repeat(3)}${hash}`).join(''), 'hex').subarray(3);
    const order = Array.from({ length }, (_, i) => (i * 7) % length);
    for (const store of [texts, { ...texts, digests: { bytes, stride: 35 } }]) {
      const sides = [order.slice(100), order.slice(0, 100)].map((items) => new ImageSource(store, 1, items));
      t.is(fingerprintOf(sides[0]!, sides[1]!), defined(sides));
    }
  });
}

test('an empty side has no lines', (t) => {
  const store = storeOf(() => undefined, []);
  const sides = [new ImageSource(store, 1, [4]), new ImageSource(store, 1, [])];
  t.is(fingerprintOf(sides[0]!, sides[1]!), defined(sides));
});
