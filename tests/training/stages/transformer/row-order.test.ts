import test from 'ava';
import { RowOrder } from '../../../../src/training/stages/transformer/row-order.js';

test('an epoch has one view of every image, drawn again in each', (t) => {
  const order = new RowOrder(7, 3, 0, 5);
  const epochs = Array.from({ length: 40 }, () => order.next(7));
  const seen = new Set<number>();
  for (const rows of epochs) {
    t.deepEqual(
      rows.map((row) => Math.floor(row / 5)).toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6],
    );
    for (const row of rows) seen.add(row);
  }
  t.is(seen.size, 35);
  const viewsOf = (rows: number[]) => rows.toSorted((a, b) => a - b).map((row) => row % 5);
  t.notDeepEqual(viewsOf(epochs[0]!), viewsOf(epochs[1]!));
});

test('an order goes on from any position, and depends on the seed', (t) => {
  const rows = new RowOrder(7, 3, 0, 5).next(60);
  for (const at of [1, 6, 7, 33]) t.deepEqual(new RowOrder(7, 3, at, 5).next(20), rows.slice(at, at + 20));
  t.notDeepEqual(new RowOrder(7, 4, 0, 5).next(60), rows);
});

test('the images come in the order that they have without views, and processes share a batch', (t) => {
  const plain = new RowOrder(7, 3).next(30);
  const rows = new RowOrder(7, 3, 0, 5).next(30);
  t.deepEqual(
    rows.map((row) => Math.floor(row / 5)),
    plain,
  );
  const shares = [0, 1].map((rank) => new RowOrder(7, 3, 0, 5).next(2, { rank, worldSize: 2, block: 2 }));
  t.deepEqual(shares.flat(), rows.slice(0, 4));
});
