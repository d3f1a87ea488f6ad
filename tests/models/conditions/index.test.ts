import test from 'ava';
import type { Condition, Stage } from '../../../src/models/conditions/condition.js';
import { conditions, DummyCondStage, Several } from '../../../src/models/conditions/index.js';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import * as torch from '../../../src/torch/index.js';

const objects = { no_object_classes: 4, no_max_objects: 3, no_tokens: 64, encode_crop: false };
const labelator = { target: 'taming.modules.util.Labelator', params: { n_classes: 5 } };

/** Arguments of each, as a configuration has them, and an input for an image of 8 pixels. */
const cases: Record<string, { params: Record<string, unknown>; input: () => torch.Tensor }> = {
  CoordStage: { params: { n_embed: 15, down_factor: 4 }, input: () => torch.rand([1, 1, 8, 8]) },
  Labelator: { params: labelator.params, input: () => torch.tensor([3n]) },
  SOSProvider: { params: { sos_token: 2 }, input: () => torch.zeros([1, 1]) },
  DummyCondStage: { params: { conditional_key: 'objects' }, input: () => torch.tensor([[1n]]) },
  LayoutStage: {
    params: { ...objects, use_group_parameter: false },
    input: () =>
      torch.tensor([
        [
          [0, 0, 0, 1, 1],
          [2, 0.1, 0.1, 0.5, 0.5],
        ],
      ]),
  },
  Several: { params: { conditions: [labelator] }, input: () => torch.tensor([3n]) },
  VectorStage: { params: { dim: 3, n_embd: 8, count: 2 }, input: () => torch.rand([1, 2, 3]) },
};

for (const [name, { Class, target = `tessera.conditions.${name}` }] of Object.entries(conditions)) {
  test(`${name}: its class, its sizes and its maps`, (t) => {
    t.truthy(cases[name], 'add its arguments to the table above');
    const { params, input } = cases[name]!;
    const build = () => modelFromConfig<Stage & Condition>({ target, params });
    const stage = build();
    t.true(stage instanceof Class);
    const { indices } = stage.encode(input());
    // A run adds up the sizes of several; those of tokens as they are, are not known.
    if (!(stage instanceof Several || stage instanceof DummyCondStage)) {
      const sizes = Class.sizes?.(params, 8, build) ?? { ids: 0, tokens: 1 };
      t.is(sizes.ids, stage.embed ? 0 : stage.nCodes!);
      t.is(sizes.tokens, stage.embed ? indices.shape[1]! : indices.flatten(1).shape[1]!);
    }
    if (stage.channels) {
      const shown = stage.shown?.(input());
      if (shown) t.deepEqual(shown.shape, [1, 3, 8, 8]);
      t.is(indices.shape.at(-1), 8 / stage.stride!);
    }
  });
}
