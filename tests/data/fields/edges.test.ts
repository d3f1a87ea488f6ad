import { readFileSync } from 'node:fs';
import test from 'ava';
import { EDGES, edgesOf } from '../../../src/data/fields/edges.js';
import { ImageSource } from '../../../src/data/image-source.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';

/** Edges as text: a line per row, `#` on an edge. */
function drawn(edges: Uint8Array, width: number): string[] {
  return Array.from({ length: edges.length / width }, (_, y) =>
    Array.from(edges.subarray(y * width, (y + 1) * width), (edge) => (edge > 0 ? '#' : '.')).join(''),
  );
}

/** Grey pixels [side, side, 3]: a bright square from `first` to `last`, whose outermost pixels are half as bright. */
function square(side: number, first: number, last: number): Uint8Array {
  const depth = (i: number) => Math.min(i - first, last - i);
  return Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    const inside = Math.min(depth(pixel % side), depth(Math.floor(pixel / side)));
    return inside < 0 ? 0 : inside === 0 ? 100 : 200;
  });
}

test('the edges of a square are its outline, with round corners', (t) => {
  const rows = drawn(edgesOf(square(32, 8, 23), 32, 32), 32);
  const [empty, middle] = ['.'.repeat(32), '........#..............#........'];
  t.deepEqual(rows.slice(0, 8), Array<string>(8).fill(empty));
  t.regex(rows[8]!, /^\.{8,}#{8,}\.{8,}$/);
  t.deepEqual(rows.slice(12, 20), Array<string>(8).fill(middle));
  t.is(rows[8]![8], '.', 'the corner itself is rounded off');
  const turned = rows.map((_, x) => rows.map((row) => row[x]).join(''));
  t.deepEqual(turned, rows, 'the square is the same on its side');
});

test('an image of one colour has no edges, also at its border', (t) => {
  t.true(edgesOf(new Uint8Array(20 * 12 * 3).fill(200), 20, 12).every((edge) => edge === 0));
});

/** Same as in tests/fixtures/make/edges.py. */
function pattern(height: number, width: number, seed: number): Uint8Array {
  const pixels = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const period = 150 + 40 * seed;
      const steps = Math.floor(x / (4 + seed)) * 53 + Math.floor(y / (6 + seed)) * 91;
      const rings = Math.floor(((((x - 11) ** 2 + (y - 9) ** 2) % period) * 255) / period);
      pixels.set([((x * (seed + 3) + y * (seed + 5)) % 97) * 2, steps % 256, rings], (y * width + x) * 3);
    }
  }
  return pixels;
}

interface Recorded {
  cases: { height: number; width: number; seed: number; rows: string[] }[];
}

const recorded = JSON.parse(
  readFileSync(new URL('../../fixtures/edges.json', import.meta.url), 'utf8'),
) as Recorded;

for (const { height, width, seed, rows } of recorded.cases) {
  test(`edges of ${height} × ${width} pixels are those of scikit-image (seed ${seed})`, (t) => {
    t.deepEqual(drawn(edgesOf(pattern(height, width, seed), height, width), width), rows);
  });
}

test('the field is computed from the crop, mirrored with it, from colours also where images are read as grey', async (t) => {
  const [width, height, size] = [40, 24, 24];
  const item = { name: 'a', hash: 'a', width, height, pixels: pattern(height, width, 1) };
  const views = [
    { x: 0, y: 0, flip: false },
    { x: 0, y: 0, flip: true },
  ];
  for (const channels of [3, 1] as const) {
    const source = new ImageSource(new MemoryStore([item]), size, [0], channels);
    const { fields } = await source.readExamples([0, 0], [EDGES], { views });
    t.deepEqual(fields[EDGES]!.shape, [2, 1, size, size]);
    const crop = Uint8Array.from({ length: size * size * 3 }, (_, i) => {
      const [row, rest] = [Math.floor(i / (size * 3)), i % (size * 3)];
      return item.pixels[row * width * 3 + rest]!;
    });
    const wanted = Array.from(edgesOf(crop, size, size), (edge) => (edge > 0 ? 1 : -1));
    const [plain, mirrored] = fields[EDGES]!.flatten(1).tolist() as number[][];
    t.deepEqual(plain, wanted);
    t.true(wanted.includes(1));
    const differs = mirrored!.filter((edge, i) => {
      const [row, column] = [Math.floor(i / size), i % size];
      return edge !== wanted[row * size + size - 1 - column];
    });
    t.true(differs.length < 4, 'mirrored, except for ties');
  }
});
