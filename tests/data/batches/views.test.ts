import test from 'ava';
import { fixedViews, type FixedViews } from '../../../src/data/batches/views.js';

const given: FixedViews = { count: 5, crop: 'random', flip: 'random', seed: 1 };
const views = (changes: Partial<FixedViews> = {}, hash = 'ab12cd34ef') =>
  fixedViews(hash, { ...given, ...changes });
const centre = { x: 0.5, y: 0.5, flip: false };

test('the first view is the central crop, and more views begin with the same', (t) => {
  t.deepEqual(views()[0], centre);
  t.deepEqual(views({ count: 1 }), [centre]);
  t.deepEqual(views({ count: 9 }).slice(0, 5), views());
});

test('crops depend on the image, the seed and the view alone', (t) => {
  t.deepEqual(views(), views());
  const places = [views(), views({ seed: 2 }), views({}, 'ab12cd35ef')].map((all) => all[1]!.x);
  t.is(new Set([...places, views()[2]!.x]).size, 4);
});

test('flips: some of the drawn crops, each crop also mirrored, or none', (t) => {
  const flips = (changes: Partial<FixedViews>) => views({ count: 40, ...changes }).map(({ flip }) => flip);
  const random = flips({}).filter(Boolean).length;
  t.true(random > 5 && random < 35, `${random} of 40`);
  t.false(flips({})[0]);
  t.deepEqual(flips({ flip: 'none' }), Array(40).fill(false));
  const both = views({ count: 3, flip: 'both' });
  t.deepEqual(
    both.map(({ flip }) => flip),
    [false, true, false, true, false, true],
  );
  t.deepEqual(both[5], { ...both[4]!, flip: true });
});

test('resized crops are of parts of the image, the mirrored one of the same part', (t) => {
  const [first, , third, mirrored] = views({ count: 2, crop: 'resized', flip: 'both' });
  t.is(first!.part, undefined);
  t.deepEqual(third!.part!(100, 80), mirrored!.part!(100, 80));
  t.not(third!.part!(100, 80).width, 100);
});
