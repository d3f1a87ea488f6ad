import test from 'ava';
import { LayoutStage } from '../../../../src/models/conditions/layout/stage.js';
import { modelFromConfig } from '../../../../src/models/registry/from-config.js';
import * as torch from '../../../../src/torch/index.js';

const settings = {
  noObjectClasses: 4,
  noMaxObjects: 3,
  noTokens: 400,
  encodeCrop: true,
  useGroupParameter: false,
  shuffle: false,
};

for (const places of ['objects_bbox', 'objects_center_points'] as const) {
  test(`rows of a view and objects are the builder’s tokens: ${places}`, (t) => {
    const stage = new LayoutStage({ ...settings, places });
    t.is(stage.field, 'layout');
    const layouts = torch.tensor(
      [
        [
          [0, 0, 0, 1, 1],
          [2, 0.1, 0.2, 0.3, 0.4],
          [0, 0.5, 0.5, 0.25, 0.5],
        ],
        [
          [1, 0.25, 0, 0.5, 1],
          [3, 0.3, 0.2, 0.3, 0.4],
          [-1, 0, 0, 0, 0],
        ],
      ],
      { dtype: 'float64' },
    );
    const { indices } = stage.encode(layouts);
    t.deepEqual([indices.dtype, indices.shape], ['int64', [2, stage.builder.embeddingDim]]);
    const expected = [
      stage.builder.build([
        { categoryNo: 2, bbox: [0.1, 0.2, 0.3, 0.4] },
        { categoryNo: 0, bbox: [0.5, 0.5, 0.25, 0.5] },
      ]),
      stage.builder.build([{ categoryNo: 3, bbox: [0.3, 0.2, 0.3, 0.4] }], [0.25, 0, 0.5, 1], true),
    ];
    t.deepEqual(
      indices.tolist(),
      expected.map((row) => row.tolist()),
    );
  });
}

test('a layout is written as JSON', (t) => {
  const stage = new LayoutStage(settings);
  const layout = stage.parse('[[1, 0.5, 0, 0.5, 1]]');
  t.deepEqual(layout.tolist(), [
    [
      [0, 0, 0, 1, 1],
      [1, 0.5, 0, 0.5, 1],
    ],
  ]);
  t.deepEqual(stage.encode(layout).indices.tolist(), [
    stage.builder.build([{ categoryNo: 1, bbox: [0.5, 0, 0.5, 1] }]).tolist(),
  ]);
  for (const wrong of ['tree', '{}', '[1, 2]', '[[1, 2, 3, 4]]']) {
    t.throws(() => stage.parse(wrong), { instanceOf: RangeError, message: /each \[class, left, upper edge/ });
  }
  t.throws(() => stage.parse('[[4, 0, 0, 1, 1]]'), { message: /there is no class 4/ });
  t.throws(() => stage.encode(torch.zeros([1, 5])), { message: /\[batch, 1 \+ objects, 5\]/ });
});

test('a configuration names it', (t) => {
  const stage = modelFromConfig<LayoutStage>({
    target: 'tessera.conditions.LayoutStage',
    params: {
      no_object_classes: 4,
      no_max_objects: 3,
      no_tokens: 400,
      encode_crop: false,
      use_group_parameter: false,
      places: 'objects_center_points',
    },
  });
  t.is(stage.builder.embeddingDim, 6);
  t.true(stage.builder.config.shuffle);
});
