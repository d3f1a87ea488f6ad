import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import { LPIPS } from '../../../src/models/losses/lpips.js';
import { VQLPIPSWithDiscriminator } from '../../../src/models/losses/vqgan-loss.js';
import { VQModel } from '../../../src/models/autoencoder/vqgan.js';
import { goldenBackbone } from '../../golden/vqgan.js';

function images(batch = 2, side = 16): torch.Tensor {
  return torch.rand([batch, 3, side, side]).mul(2).sub(1);
}

test('gradients are finite where a feature vector has no length', (t) => {
  const lpips = new LPIPS();
  // Features of 1e-25: the rectifier lets their gradients through, but in float32 their squares are zero,
  // and the root of a sum of squares has no finite slope there.
  for (const [key, tensor] of lpips.stateDict()) {
    if (key.startsWith('net')) tensor.detach().fill_(key.endsWith('.bias') ? 1e-25 : 0);
  }
  const image = torch.zeros([1, 3, 16, 16], { requiresGrad: true });
  lpips.forward(image, images(1)).sum().backward();
  t.true(image.grad!.isfinite().all().item());
});

test('its parameters are frozen and it gives one number an image', (t) => {
  const lpips = new LPIPS();
  t.true(lpips.parameters().every((parameter) => !parameter.requiresGrad));
  const a = images();
  t.deepEqual(lpips.forward(a, images()).shape, [2, 1, 1, 1]);
  t.is(lpips.forward(a, a).sum().item(), 0);
});

test('dropout acts in training only if asked for', (t) => {
  const [a, b] = [images(), images()];
  const repeats = (lpips: LPIPS) => torch.noGrad(() => lpips.forward(a, b).equal(lpips.forward(a, b)));
  t.true(repeats(new LPIPS().train()));
  t.false(repeats(new LPIPS({ useDropout: true }).train()));
  t.true(repeats(new LPIPS({ useDropout: true }).eval()));
});

test('it counts as loaded once a state dict with all its keys was loaded, at any level', (t) => {
  const source = new LPIPS().stateDict();
  const direct = new LPIPS();
  t.false(direct.loaded);
  direct.loadStateDict(new Map([...source].slice(1)), { strict: false });
  t.false(direct.loaded, 'a key was missing');
  direct.loadStateDict(source);
  t.true(direct.loaded);

  const loss = new VQLPIPSWithDiscriminator({ discStart: 0, discNdf: 8, discNumLayers: 1 });
  const model = new VQModel({ ddconfig: goldenBackbone(), lossconfig: loss, nEmbed: 4, embedDim: 4 });
  model.loadStateDict(new VQModel({ ddconfig: goldenBackbone(), nEmbed: 4, embedDim: 4 }).stateDict(), {
    strict: false,
  });
  t.false(loss.perceptualLoss.loaded);
  t.false(loss.perceptualActive);
  model.loadStateDict(model.stateDict());
  t.true(loss.perceptualLoss.loaded);
  t.true(loss.perceptualActive);
});

test('what it cannot compare is an error that says what it takes', (t) => {
  const lpips = new LPIPS();
  t.throws(() => lpips.forward(images(1), images(2)), {
    instanceOf: torch.ShapeError,
    message: /of the same shape/,
  });
  t.throws(() => lpips.forward(images(1, 8), images(1, 8)), {
    instanceOf: torch.ShapeError,
    message: /at least 16/,
  });
});
