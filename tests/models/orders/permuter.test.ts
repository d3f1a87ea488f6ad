import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import { MersenneTwister } from '../../../src/models/orders/mersenne-twister.js';
import * as permuters from '../../../src/models/orders/permuter.js';
import { goldenTensors, need } from '../../golden/data.js';
import { net2netFixture } from '../../golden/net2net.js';

const extras = await goldenTensors('extras');
const fixture = await net2netFixture();

const classes = {
  Subsample: permuters.SubsamplePermuter,
  ZCurve: permuters.ZCurvePermuter,
  SpiralOut: permuters.SpiralOutPermuter,
  SpiralIn: permuters.SpiralInPermuter,
  Random: permuters.RandomPermuter,
  AlternateParsing: permuters.AlternateParsingPermuter,
};

for (const [name, Class] of Object.entries(classes)) {
  test(`${name} reads an 8×8 grid as the reference`, (t) => {
    const permuter = new Class({ H: 8, W: 8 });
    const forward = need(extras, `permuter.${name}.forward`).tolist();
    t.deepEqual(permuter.forwardShuffleIdx.tolist(), forward);
    t.deepEqual(permuter.backwardShuffleIdx.tolist(), need(extras, `permuter.${name}.backward`).tolist());
    const row = torch.arange(64, { dtype: 'int64' }).unsqueeze(0);
    t.deepEqual(permuter.forward(row).tolist(), [forward]);
    t.deepEqual(permuter.forward(permuter.forward(row), true).tolist(), row.tolist());
    t.deepEqual([...permuter.stateDict().keys()], ['forward_shuffle_idx', 'backward_shuffle_idx']);
    t.throws(() => permuter.forward(row.narrow(1, 0, 63)), {
      instanceOf: torch.ShapeError,
      message: /64 codes/,
    });
  });
}

test('the identity holds nothing and changes nothing', (t) => {
  const identity = new permuters.IdentityPermuter();
  const row = torch.arange(6, { dtype: 'int64' }).unsqueeze(0);
  t.deepEqual(identity.forward(row).tolist(), row.tolist());
  t.is(identity.stateDict().size, 0);
});

test('grids that need not be square', (t) => {
  for (const Class of [
    permuters.ZCurvePermuter,
    permuters.RandomPermuter,
    permuters.AlternateParsingPermuter,
  ]) {
    const permuter = new Class({ H: 3, W: 5 });
    const row = torch.arange(15, { dtype: 'int64' }).unsqueeze(0);
    t.deepEqual(permuter.forward(permuter.forward(row), true).tolist(), row.tolist());
  }
  t.throws(() => new permuters.SubsamplePermuter({ H: 6, W: 6 }), { message: /power of two/ });
  t.throws(() => new permuters.SpiralInPermuter({ H: 5, W: 5 }), { message: /even side/ });
  t.throws(() => new permuters.SpiralOutPermuter({ H: 4, W: 8 }), { message: /square/ });
  t.throws(() => new permuters.RandomPermuter({ H: 0, W: 8 }), { message: /H must be a positive integer/ });
});

test('permutations equal those of numpy’s RandomState(1)', (t) => {
  for (const size of [5, 256, 1000]) {
    t.deepEqual(
      new MersenneTwister(1).permutation(size),
      fixture(`randomState.${size}`).tolist() as number[],
    );
  }
});

test('the generator gives the published sequence', (t) => {
  // The first outputs of the authors' reference program for seed 5489.
  const generator = new MersenneTwister(5489);
  t.deepEqual(
    [generator.uint32(), generator.uint32(), generator.uint32()],
    [3499211612, 581869302, 3890346734],
  );
});
