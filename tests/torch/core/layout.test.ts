import fc from 'fast-check';
import { testProp } from '@fast-check/ava';
import test from 'ava';
import { deviceName, deviceNumbers } from '../../../src/torch/core/device-numbers.js';
import * as torch from '../../../src/torch/index.js';
import { isChannelsLast, isContiguous } from '../../../src/torch/core/layout.js';

const shapes = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 0, maxLength: 5 });

testProp(
  'contiguous is what libtorch calls so, for any order of dimensions',
  [shapes, fc.nat()],
  (t, shape, seed) => {
    const x = torch.empty(shape);
    const order = shape.map((_, dim) => dim).sort((a, b) => ((a * 7 + seed) % 5) - ((b * 7 + seed) % 5));
    const permuted = x.permute(order);
    t.is(isContiguous(permuted), permuted.isContiguous());
  },
);

testProp(
  'channels last is what libtorch makes so',
  [fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 4, maxLength: 4 })],
  (t, shape) => {
    t.true(isChannelsLast(torch.empty(shape).contiguous({ memoryFormat: 'channels_last' })));
    const plain = torch.empty(shape);
    // libtorch's own answer is in the strides: they stay as they are where nothing has to move.
    const [, channels, height, width] = shape as [number, number, number, number];
    t.is(isChannelsLast(plain), channels === 1 || (height === 1 && width === 1));
  },
);

for (const [text, numbers] of [
  ['cpu', { type: 0, index: -1 }],
  ['cuda', { type: 1, index: -1 }],
  ['cuda:0', { type: 1, index: 0 }],
  ['cuda:12', { type: 1, index: 12 }],
  ['meta', { type: 14, index: -1 }],
  ['cuda:01', null],
  ['cuda:', null],
  ['cuda:-1', null],
  ['gpu', null],
  ['', null],
] as const) {
  test(`the device '${text}' is ${JSON.stringify(numbers)} to libtorch`, (t) => {
    t.deepEqual(deviceNumbers(text), numbers);
    if (numbers) t.is(deviceName(numbers.type, numbers.index), text);
  });
}

test('a device that libtorch does not know is its own error', (t) => {
  t.throws(() => torch.empty([2], { device: 'gpu' as torch.Device }), { message: /gpu/ });
  t.is(torch.empty([2], { device: 'cpu:0' as torch.Device }).device, 'cpu');
});
