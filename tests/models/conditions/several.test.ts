import test from 'ava';
import { Labelator } from '../../../src/models/conditions/class.js';
import { CoordStage } from '../../../src/models/conditions/coordinates.js';
import { SOSProvider } from '../../../src/models/conditions/none.js';
import { Several } from '../../../src/models/conditions/several.js';
import { DummyCondStage } from '../../../src/models/conditions/tokens.js';
import { VectorStage } from '../../../src/models/conditions/vectors.js';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import { Net2NetTransformer } from '../../../src/models/two-stage.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import { sampleTokens } from '../../../src/sampling/images.js';
import * as torch from '../../../src/torch/index.js';
import { firstStages } from '../../sampling/first-stages.js';

const labels = () => new Labelator({ nClasses: 5 });
const places = () => new CoordStage({ nEmbed: 3, downFactor: 2 });
const inputs = () => [torch.tensor([4n, 0n]), torch.tensor([0, 1]).view([2, 1, 1, 1]).expand([2, 1, 2, 4])];

for (const [separateVocabulary, tokens] of [
  [
    true,
    [
      [14, 15, 15],
      [10, 18, 18],
    ],
  ], // ids 10 to 14 for classes, 15 to 18 for places
  [
    false,
    [
      [4, 0, 0],
      [0, 3, 3],
    ],
  ],
] as const) {
  test(`tokens follow each other, with ids of their own: ${separateVocabulary}`, (t) => {
    const stage = new Several({ conditions: [labels(), places()], separateVocabulary, firstId: 10 });
    t.deepEqual(stage.encode(inputs()).indices.tolist(), tokens as unknown as number[][]);
    const parts = stage.encodeParts(inputs()).map((part) => part.tolist());
    t.deepEqual(parts, [tokens.map((row) => row.slice(0, 1)), tokens.map((row) => row.slice(1))]);
    t.deepEqual(stage.fields, ['label', 'coord']);
    t.is(stage.nCodes, separateVocabulary ? 19 : 5);
  });
}

test('a configuration lists its conditions; one may stand alone, to have ids of its own', (t) => {
  const stage = modelFromConfig<Several>({
    target: 'tessera.conditions.Several',
    params: {
      conditions: [{ target: 'taming.modules.util.Labelator', params: { n_classes: 5 } }],
      first_id: 16,
    },
  });
  t.deepEqual(stage.encode(torch.tensor([2n])).indices.tolist(), [[18]]);
  t.throws(
    () =>
      modelFromConfig({
        target: 'tessera.conditions.Several',
        params: { conditions: [{ target: 'Label' }] },
      }),
    { message: /: params\.conditions\.0\.target: "Label" is not known/ },
  );
});

test('a VQGAN among them has its weights below its number, and is frozen', (t) => {
  const net = withSeveral(null);
  const { condStageModel } = net;
  const keys = [...net.stateDict().keys()].filter((key) => key.startsWith('cond_stage_model.conditions.1.'));
  t.true(keys.includes('cond_stage_model.conditions.1.quantize.embedding.weight'));
  t.true(condStageModel.parameters().every(({ requiresGrad }) => !requiresGrad));
  net.train();
  t.false(condStageModel.modules().some(({ training }) => training));
  t.is(net.learnedCondition, null);
});

/** Classes and a map, after the 16 codes of images. */
function withSeveral(nullToken: number | null): Net2NetTransformer {
  const firstStage = firstStages.VQModel.make();
  const map = firstStages.VQModel.make();
  const codes = firstStage.nCodes;
  torch.manualSeed(3);
  return new Net2NetTransformer({
    firstStage,
    condition: new Several({ conditions: [labels(), map], keys: [null, 'depth'], firstId: codes }),
    prior: new GPT({ vocabSize: codes + 5 + map.nCodes + 1, blockSize: 40, nLayer: 1, nHead: 1, nEmbd: 8 }),
    nullToken,
  });
}

test('a model is given them by name, samples for them, and is guided away from all of them dropped', (t) => {
  const net = withSeveral(21);
  const map = torch.rand([2, 3, 8, 8]);
  const batch = { image: map, label: torch.tensor([1n, 2n]), depth: map };
  const { x, c } = net.inputs(batch);
  const { logits, targets } = net.forward(x, c);
  t.deepEqual(logits.shape.slice(0, 2), targets.shape);
  const condition = net.encodeToC(c).indices;
  const codes = (net.condStageModel as Several).parts[1]!.condStageModel.encode(map).indices.flatten(1);
  const { nCodes } = net.firstStageModel;
  t.deepEqual(condition.narrow(1, 1, codes.shape[1]!).tolist(), codes.add(nCodes! + 5).tolist());
  t.deepEqual(net.dropped(condition)!.tolist(), torch.fullLike(condition, 21).tolist());
  const draw = (of: torch.Tensor, guidance: number) =>
    sampleTokens(net, of, 6, { guidance, seeds: [1, 2] }).tolist();
  t.deepEqual(draw(condition, 0), draw(net.dropped(condition)!, 1));
});

const refusals: [string, () => unknown, RegExp][] = [
  ['none', () => new Several({ conditions: [] }), /Several: conditions must be a list of conditions/],
  [
    'vectors',
    () => new Several({ conditions: [new VectorStage({ dim: 2, nEmbd: 2 })] }),
    /condition 0, a VectorStage, gives vectors instead of tokens/,
  ],
  [
    'a VQGAN without its field',
    () => new Several({ conditions: [labels(), firstStages.VQModel.make()] }),
    /condition 1, a VQModel, does not know its field: name it in keys/,
  ],
  [
    'no condition',
    () => new Several({ conditions: [new SOSProvider({ sosToken: 0 })] }),
    /condition 0, a SOSProvider/,
  ],
  [
    'unknown ids',
    () => new Several({ conditions: [new DummyCondStage({ conditionalKey: 'objects' })] }),
    /a DummyCondStage, does not know the number of its ids: set separateVocabulary to false/,
  ],
  [
    'too few inputs',
    () => new Several({ conditions: [labels(), places()] }).encode(torch.tensor([1n])),
    /it has 2 conditions \(label, coord\), but was given 1/,
  ],
];
for (const [what, make, message] of refusals) {
  test(`refused: ${what}`, (t) => {
    t.throws(make, { instanceOf: TypeError, message });
  });
}
