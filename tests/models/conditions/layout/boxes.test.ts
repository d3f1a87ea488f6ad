import test from 'ava';
import { additionalParametersString } from '../../../../src/models/conditions/layout/annotation.js';
import {
  absoluteBbox,
  centerCropBbox,
  horizontallyFlipBbox,
  intersectionArea,
  rescaleBbox,
} from '../../../../src/models/conditions/layout/boxes.js';
import { recorded } from './recorded.js';

const { utils } = recorded;
const { rects } = utils;

test('areas, mirrored boxes and pixels are the reference’s, to the last bit', (t) => {
  t.deepEqual(
    rects.map((a) => rects.map((b) => intersectionArea(a, b))),
    utils.intersection,
  );
  t.deepEqual(rects.map(horizontallyFlipBbox), utils.flip);
  t.deepEqual(
    rects.map((box) => absoluteBbox(box, 640, 427)),
    utils.absolute,
  );
  for (const [width, height, box] of utils.centerCrop) t.deepEqual(centerCropBbox(width, height), box);
});

for (const { crop, flip, boxes } of utils.rescaled) {
  test(`boxes in the crop ${crop.join(', ')}${flip ? ', mirrored,' : ''} are the reference’s`, (t) => {
    t.deepEqual(
      rects.map((box) => rescaleBbox(box, crop, flip)),
      boxes,
    );
  });
}

test('properties are written as the reference does', (t) => {
  t.is(utils.additional.length, 16);
  for (const [[isGroupOf, isOccluded, isDepiction, isInside], short, long] of utils.additional) {
    const flags = { isGroupOf, isOccluded, isDepiction, isInside } as Record<string, boolean>;
    t.deepEqual([additionalParametersString(flags), additionalParametersString(flags, false)], [short, long]);
  }
});
