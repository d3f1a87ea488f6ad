import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { layoutScene, ridgeHeight } from '../../../src/data/built-in/scene-layout.js';
import { sceneLabels } from '../../../src/data/built-in/scene-render.js';
import { openSpriteSheet, spriteModels } from '../../../src/data/built-in/scene-sprites.js';
import { makeScene, sceneClassCount, sceneSplits, writeScenes } from '../../../src/data/built-in/scenes.js';
import { readNoto } from '../../../src/data/built-in/noto-icons.js';

/** Opened once, as reading the icons takes longer than a scene. */
const sheet = openSpriteSheet();

const label = (name: (typeof sceneLabels)[number]) => sceneLabels.indexOf(name);

test('a layout follows from seed, index and size alone', (t) => {
  const request = { seed: 7, index: 12, width: 64, height: 64 };
  t.deepEqual(layoutScene(request), layoutScene({ ...request }));
  t.notDeepEqual(layoutScene(request), layoutScene({ ...request, index: 13 }));
  t.notDeepEqual(layoutScene(request), layoutScene({ ...request, seed: 8 }));
});

// Fixed numbers: a change of the generator would silently change every data set and every split.
test('layouts do not change from version to version', (t) => {
  const { season, timeOfDay, horizon, objects } = layoutScene({ seed: 1, index: 0, width: 64, height: 64 });
  t.deepEqual([season, timeOfDay, horizon.toFixed(6)], ['summer', 'day', '0.519013']);
  const places = objects.map((o) => [
    o.sprite,
    o.tint,
    ...[o.x, o.y, o.height].map((v) => v.toFixed(6)),
    o.flip,
  ]);
  t.deepEqual(places, [
    ['deciduous-tree', 'plain', '0.624534', '0.692645', '0.433362', false],
    ['evergreen-tree', 'plain', '0.260915', '0.703382', '0.599433', true],
    ['pig', 'plain', '0.871494', '0.893993', '0.280658', false],
  ]);
});

test('splits have seeds of their own, and held-out sprites never stand in training scenes', (t) => {
  t.is(new Set(Object.values(sceneSplits)).size, 3);
  for (let index = 0; index < 300; index++) {
    for (const { sprite } of layoutScene({ seed: sceneSplits.train, index, width: 64, height: 64 }).objects) {
      t.not(spriteModels[sprite]?.heldOut, true);
    }
  }
  const unseen = layoutScene({ seed: 1, index: 0, width: 128, height: 128, heldOutSprites: true }).objects;
  t.true(unseen.some(({ sprite }) => spriteModels[sprite]?.heldOut));
});

test('all seasons and times of day come up, and every kind of thing', async (t) => {
  const sprites = await sheet;
  const classes = new Set<number>();
  const labels = new Set<number>();
  for (let index = 0; index < 120; index++) {
    const scene = await makeScene({ seed: 5, index, width: 48, height: 48 }, sprites);
    classes.add(scene.classIndex);
    t.true(scene.className.startsWith(scene.layout.season));
    for (const value of scene.segmentation) labels.add(value);
  }
  t.is(classes.size, sceneClassCount);
  t.deepEqual(
    [...labels].sort((a, b) => a - b),
    sceneLabels.map((_, i) => i),
  );
});

testProp(
  'image, segmentation and depth agree at every size',
  [fc.integer({ min: 16, max: 96 }), fc.integer({ min: 16, max: 200 }), fc.nat({ max: 1000 })],
  async (t, height, width, index) => {
    const sprites = await sheet;
    const scene = await makeScene({ seed: 3, index, width, height }, sprites);
    t.is(scene.image.length, width * height * 3);
    t.is(scene.segmentation.length, width * height);
    t.is(scene.inverseDepth.length, width * height);
    const ground = scene.layout.ridges[2]!;
    for (let column = 0; column < width; column++) {
      let last = 0;
      for (let row = 0; row < height; row++) {
        const pixel = row * width + column;
        const kind = scene.segmentation[pixel]!;
        const depth = scene.inverseDepth[pixel]!;
        if (kind === label('sky') || kind === label('sun')) t.is(depth, 0);
        else t.true(depth > 0 && depth <= 1, `${sceneLabels[kind]} at inverse depth ${depth}`);
        if (kind === label('ground')) {
          t.true((row + 0.5) / height >= ridgeHeight(ground, (column + 0.5) / height) - 1 / height);
          t.true(depth >= last, 'the ground comes nearer downwards');
          last = depth;
        }
      }
    }
  },
  { numRuns: 25 },
);

test('a nearer thing hides what is behind it', async (t) => {
  const scene = await makeScene({ seed: 1, index: 4, width: 128, height: 128 }, await sheet);
  const { objects } = scene.layout;
  t.deepEqual(
    objects.map((o) => o.y),
    objects.map((o) => o.y).sort((a, b) => a - b),
  );
  // Nothing stands in front of the last one, so it fills its box as much as its icon does.
  const front = objects.at(-1)!;
  let visible = 0;
  for (let row = 0; row < 128; row++) {
    for (let column = 0; column < 128; column++) {
      const inside =
        Math.abs((column + 0.5) / 128 - front.x) < front.width / 2 && (row + 0.5) / 128 < front.y;
      if (inside && scene.segmentation[row * 128 + column] === label(front.kind)) visible++;
    }
  }
  t.true(visible > 0.3 * front.width * front.height * 128 * 128);
});

test('the label map is the same when drawn again', async (t) => {
  const request = { seed: 2, index: 9, width: 80, height: 56 };
  const [a, b] = [await makeScene(request), await makeScene(request)];
  t.deepEqual(a.segmentation, b.segmentation);
  t.deepEqual(a.inverseDepth, b.inverseDepth);
});

test('impossible requests are refused', (t) => {
  t.throws(() => layoutScene({ seed: 1, index: 0, width: 8, height: 64 }), {
    message: /at least 16 × 16.*8 × 64/,
  });
  t.throws(() => layoutScene({ seed: 1.5, index: 0, width: 64, height: 64 }), {
    message: /seed must be an integer/,
  });
});

test('a folder of scenes is complete or absent', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'tessera-scenes-'));
  t.teardown(() => rm(root, { recursive: true }));
  const folder = join(root, 'nested', 'scenes');
  await writeScenes(folder, { seed: 1, count: 3, width: 32, height: 24 });
  t.deepEqual((await readdir(folder)).sort(), ['00000.png', '00001.png', '00002.png', 'scenes.json']);
  const { labels } = JSON.parse(await readFile(join(folder, 'scenes.json'), 'utf8'));
  t.is(labels.length, 3);
  t.like(labels[0], { file: '00000.png' });

  await t.throwsAsync(writeScenes(join(root, 'bad'), { seed: 1, count: 1, width: 2 }), {
    message: /16 × 16/,
  });
  t.deepEqual(await readdir(root), ['nested']);
});

test('without the icon package the error says how to install it', async (t) => {
  await t.throwsAsync(readNoto('icons', 'file:///nowhere/module.js'), {
    message: /not installed\. Install it with: npm install @iconify-json\/noto$/,
  });
});

test('a folder of something else is not replaced by scenes, an older one of scenes is', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'tessera-scenes-'));
  t.teardown(() => rm(root, { recursive: true }));
  const options = { seed: 1, count: 1, width: 16 };
  await writeScenes(join(root, 'scenes'), options);
  await writeScenes(join(root, 'scenes'), { ...options, count: 2 });
  t.is((await readdir(join(root, 'scenes'))).length, 3);
  await t.throwsAsync(writeScenes(root, options), { message: /the folder is not empty/ });
  t.deepEqual(await readdir(root), ['scenes']);
});
