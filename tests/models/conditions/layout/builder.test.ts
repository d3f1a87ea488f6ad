import test from 'ava';
import {
  ObjectsBoundingBoxConditionalBuilder,
  ObjectsCenterPointsConditionalBuilder,
} from '../../../../src/models/conditions/layout/builder.js';
import type { LayoutConfig } from '../../../../src/models/conditions/layout/builder.js';
import * as torch from '../../../../src/torch/index.js';
import { annotationOf, builderOf, recorded, type Kind } from './recorded.js';

for (const kind of ['objects_center_points', 'objects_bbox'] as Kind[]) {
  for (const [number, settings] of recorded.builders.entries()) {
    test(`tokens and what they hold are the reference’s: ${kind}, settings ${number}`, (t) => {
      const builder = builderOf(kind, settings);
      const { none, sections, embeddingDim, descriptorLength } = settings.derived[kind];
      t.deepEqual(
        [builder.none, builder.noSections, builder.embeddingDim, builder.objectDescriptorLength],
        [none, sections, embeddingDim, descriptorLength],
      );
      const cases = recorded.cases.filter((one) => one.builder === number && one.kind === kind);
      t.true(cases.length > 4);
      for (const { annotations, crop, flip, tokens, inverse, inverseCrop, decoded } of cases) {
        const built = builder.build(annotations.map(annotationOf), crop, flip);
        t.is(built.dtype, 'int64');
        t.deepEqual(built.tolist(), tokens);
        const [objects, seen] = builder.inverseBuild(built);
        t.deepEqual<unknown, unknown>(objects, inverse);
        t.deepEqual(seen, inverseCrop);
        t.deepEqual(
          objects.map(([id]) => builder.representationToAnnotation(id)),
          decoded.map((one) => ({
            categoryNo: one.category_no,
            isGroupOf: one.is_group_of,
            isOccluded: one.is_occluded,
            isDepiction: one.is_depiction,
            isInside: one.is_inside,
          })),
        );
      }
    });
  }
}

test('all recorded cases are tried', (t) => {
  t.is(recorded.cases.length, 72);
});

test('points are the reference’s, halves rounded to even', (t) => {
  const builder = builderOf('objects_bbox', recorded.builders[2]!);
  for (const [x, y, token, back] of recorded.utils.tokenize) {
    t.is(builder.tokenizeCoordinates(x, y), token, `${x}, ${y}`);
    t.deepEqual(builder.coordinatesFromToken(token), back);
  }
});

test('objects in the order of a shuffle give the reference’s tokens', (t) => {
  const { kind, builder, annotations, order, crop, flip, tokens } = recorded.shuffled;
  const shuffled = order.map((at) => annotationOf(annotations[at]!));
  t.deepEqual(builderOf(kind, recorded.builders[builder]!).build(shuffled, crop, flip).tolist(), tokens);
});

test('shuffling repeats with the seed, and comes after objects too many are left out', (t) => {
  const settings = recorded.builders[3]!;
  const [shuffled, plain] = [true, false].map((shuffle) => builderOf('objects_bbox', settings, shuffle));
  const annotations = [0, 1, 2, 3, 4, 5].map((categoryNo) => ({
    categoryNo,
    bbox: [0.1 * categoryNo, 0.2, 0.3, 0.4] as const,
  }));
  const classes = (builder = shuffled!) =>
    builder.inverseBuild(builder.build(annotations))[0].map(([id]) => id);
  t.deepEqual(classes(plain), [0, 1, 2, 3]);
  const drawn = Array.from({ length: 20 }, (_, seed) => {
    torch.manualSeed(seed);
    return classes();
  });
  torch.manualSeed(7);
  t.deepEqual(classes(), drawn[7]);
  t.true(new Set(drawn.map(String)).size > 5);
  for (const one of drawn)
    t.deepEqual(
      [...one].sort((a, b) => a - b),
      [0, 1, 2, 3],
    );
  t.deepEqual(
    annotations.map(({ categoryNo }) => categoryNo),
    [0, 1, 2, 3, 4, 5],
  );
});

const small: LayoutConfig = {
  noObjectClasses: 6,
  noMaxObjects: 2,
  noTokens: 100,
  encodeCrop: true,
  useGroupParameter: false,
  shuffle: false,
};

const refused: [what: string, run: () => unknown, message: RegExp][] = [
  [
    'a vocabulary without room for the ids',
    () => new ObjectsBoundingBoxConditionalBuilder({ ...small, noTokens: 12, useGroupParameter: true }),
    /^ObjectsBoundingBoxConditionalBuilder: 6 classes with their properties take 12 ids .* noTokens of at least 13/,
  ],
  [
    'a vocabulary without two coordinates',
    () => new ObjectsCenterPointsConditionalBuilder({ ...small, noObjectClasses: 1, noTokens: 3 }),
    /noTokens of at least 4/,
  ],
  [
    'no objects at all',
    () => new ObjectsCenterPointsConditionalBuilder({ ...small, noMaxObjects: 0 }),
    /noMaxObjects/,
  ],
  [
    'a class that is not one',
    () => new ObjectsCenterPointsConditionalBuilder(small).build([{ categoryNo: 6, bbox: [0, 0, 1, 1] }]),
    /there is no class 6; the layout has 6 classes, 0 to 5/,
  ],
  [
    'a box that is not numbers',
    () => new ObjectsCenterPointsConditionalBuilder(small).build([{ categoryNo: 1, bbox: [0, NaN, 1, 1] }]),
    /a box must be \[x, y, width, height\] in shares/,
  ],
  [
    'a crop in pixels',
    () => new ObjectsCenterPointsConditionalBuilder(small).build([], [0, 0, 256, 256]),
    /crop must be .* within the image, \[0, 0, 1, 1\], got \[0,0,256,256\]/,
  ],
  [
    'a row of another length',
    () => new ObjectsCenterPointsConditionalBuilder(small).inverseBuild(torch.zeros([7])),
    /a layout has tokens \[6\], got \[7\]/,
  ],
];

for (const [what, run, message] of refused) {
  test(`refused: ${what}`, (t) => {
    t.throws(run, { message });
  });
}
