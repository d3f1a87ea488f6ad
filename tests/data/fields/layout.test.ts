import test from 'ava';
import { ImageSource } from '../../../src/data/image-source.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';
import { openImages } from '../../../src/data/open-images.js';
import { sceneLabels } from '../../../src/data/built-in/scene-render.js';
import { makeScene, sceneObjectClasses, sceneObjects } from '../../../src/data/built-in/scenes.js';
import { openSpriteSheet } from '../../../src/data/built-in/scene-sprites.js';
import { gradient } from '../pictures/pictures.js';

test('boxes of a scene’s objects hold all their pixels, and end where these do', async (t) => {
  const sheet = await openSpriteSheet();
  for (let index = 0; index < 12; index++) {
    const scene = await makeScene({ seed: 3, index, width: 96, height: 64 }, sheet);
    const objects = sceneObjects(scene);
    t.true(objects.length > 0);
    const edges = objects.map(({ category, box: [x, y, w, h] }) => {
      const [left, top] = [Math.round(x * 96), Math.round(y * 64)];
      const [right, bottom] = [Math.round((x + w) * 96), Math.round((y + h) * 64)];
      return { label: sceneLabels.indexOf(sceneObjectClasses[category]!), left, top, right, bottom };
    });
    const nearest = edges.at(-1)!; // nothing hides it
    const found = { left: 96, top: 64, right: 0, bottom: 0 };
    for (const [pixel, label] of scene.segmentation.entries()) {
      const [column, row] = [pixel % 96, Math.floor(pixel / 96)];
      const inside = (one: (typeof edges)[number]) =>
        one.left <= column && column < one.right && one.top <= row && row < one.bottom;
      const ofObject = edges.some((one) => one.label === label);
      if (ofObject)
        t.true(
          edges.some((one) => one.label === label && inside(one)),
          `${index}: ${column}, ${row}`,
        );
      if (label !== nearest.label || !inside(nearest)) continue;
      found.left = Math.min(found.left, column);
      found.top = Math.min(found.top, row);
      found.right = Math.max(found.right, column + 1);
      found.bottom = Math.max(found.bottom, row + 1);
    }
    for (const side of ['left', 'top', 'right', 'bottom'] as const) {
      t.true(
        Math.abs(found[side] - nearest[side]) <= 2,
        `${index}: ${side} ${found[side]}, ${nearest[side]}`,
      );
    }
  }
});

test('built-in scenes have layouts with their maps', async (t) => {
  const config = { path: 'scenes', size: 32, count: 6, seed: 5, heldOut: 2 };
  const { train, close } = await openImages(config, { maps: true });
  t.deepEqual(train.fields, ['label', 'segmentation', 'depth', 'layout']);
  t.deepEqual(train.objectClasses, sceneObjectClasses);
  const { fields } = await train.readExamples([1, 0], ['layout']);
  const layout = fields['layout']!;
  t.is(layout.dtype, 'float64');
  const scene = await makeScene({ seed: 5, index: 1, width: 32, height: 32 });
  const objects = sceneObjects(scene).map(({ category, box }) => [category, ...box]);
  const [first] = layout.tolist() as number[][][];
  t.deepEqual(first!.slice(0, 1 + objects.length), [[0, 0, 0, 1, 1], ...objects]);
  t.true(first!.slice(1 + objects.length).every(([category]) => category === -1));
  await close();
  const plain = await openImages(config);
  t.deepEqual(plain.train.fields, ['label']);
  t.deepEqual(plain.train.objectClasses, []);
  await plain.close();
});

test('the first row is the crop and whether it is mirrored; boxes stay those of the whole image', async (t) => {
  const box = [0.5, 0, 0.25, 1] as const;
  const objects = [{ category: 1, box }];
  const item = { name: 'a', hash: 'a', width: 8, height: 4, pixels: gradient(8, 4, 0), objects };
  const source = new ImageSource(new MemoryStore([item], [], {}, ['sun', 'moon']), 4);
  const views = [
    { x: 0, y: 0, flip: false },
    { x: 0.999, y: 0, flip: true },
  ];
  const { fields } = await source.readExamples([0, 0], ['layout'], { views });
  t.deepEqual(fields['layout']!.tolist(), [
    [
      [0, 0, 0, 0.5, 1],
      [1, ...box],
    ],
    [
      [1, 0.5, 0, 0.5, 1],
      [1, ...box],
    ],
  ]);
});
