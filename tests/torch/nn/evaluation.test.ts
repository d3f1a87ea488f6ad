import test from 'ava';
import * as nn from '../../../src/torch/nn/index.js';

test('modes are put back one by one, also after an error', (t) => {
  const net = new nn.Sequential(new nn.Dropout(), new nn.Sequential(new nn.Dropout(), new nn.BatchNorm1d(3)));
  const [first, inner] = [...net];
  net.train();
  inner!.eval();
  const modes = () => net.modules().map(({ training }) => training);
  const before = modes();
  t.true(before.includes(true) && before.includes(false));
  t.is(
    nn.inEvaluation(net, () => modes().filter(Boolean).length),
    0,
  );
  t.deepEqual(modes(), before);
  const fail = () => {
    first!.train();
    throw new Error('stop');
  };
  t.throws(() => nn.inEvaluation(net, fail), { message: 'stop' });
  t.deepEqual(modes(), before);
  net.eval();
  nn.inEvaluation(net, () => {});
  t.false(net.training);
});
