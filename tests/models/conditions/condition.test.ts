import test from 'ava';
import { CoordStage } from '../../../src/models/conditions/coordinates.js';
import { encodedImage } from '../../../src/models/conditions/encoded-image.js';
import { SOSProvider } from '../../../src/models/conditions/none.js';
import { DummyCondStage } from '../../../src/models/conditions/tokens.js';
import { Net2NetTransformer } from '../../../src/models/two-stage.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import * as torch from '../../../src/torch/index.js';
import { classNet, firstStages } from '../../sampling/first-stages.js';

test('a row of tokens is written with commas', (t) => {
  const stage = new DummyCondStage({ conditionalKey: 'objects' });
  t.is(stage.field, 'objects');
  t.deepEqual(stage.parse('5, 17,3').tolist(), [[5, 17, 3]]);
  t.throws(() => stage.parse('5,x'), {
    instanceOf: RangeError,
    message: '"x" is not a token; write tokens as integers separated by commas, such as 5,17,3',
  });
});

test('without a condition there is one row, whatever is written', (t) => {
  const stage = new SOSProvider({ sosToken: 4 });
  t.is(stage.field, null);
  t.deepEqual(stage.encode(stage.parse()).indices.tolist(), [[4]]);
});

test('maps are not written as text', (t) => {
  const coordinates = new CoordStage({ nEmbed: 8, downFactor: 2 });
  t.is(coordinates.field, 'coord');
  t.throws(() => coordinates.parse(), { instanceOf: RangeError, message: /pass its tensor to sampleImages/ });
  const depth = encodedImage(firstStages.VQModel.make(), 'depth');
  t.throws(() => depth.parse('near', []), {
    instanceOf: RangeError,
    message: /the condition "depth" is an image/,
  });
});

test('a model says which field its condition is', (t) => {
  t.is(classNet('VQModel').condition.field, 'label');
  const first = firstStages.VQModel.make();
  const net = new Net2NetTransformer({
    firstStageConfig: first,
    condStageConfig: firstStages.VQModel.make(),
    condStageKey: 'segmentation',
    transformerConfig: new GPT({ vocabSize: 16, blockSize: 40, nLayer: 1, nHead: 1, nEmbd: 8 }),
  });
  const { condition } = net;
  t.is(condition.field, 'segmentation');
  const map = torch.rand([2, 3, 8, 8]);
  t.deepEqual(condition.encode(map).indices.tolist(), net.condStageModel.encode(map).indices.tolist());
});
