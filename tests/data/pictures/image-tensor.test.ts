import test from 'ava';
import { bytesToImages } from '../../../src/data/pictures/image-tensor.js';
import * as torch from '../../../src/torch/index.js';

const bytes = Uint8Array.from({ length: 2 * 2 * 3 * 3 }, (_, i) => (i * 7) % 256);

test('bytes in rows become images from −1 to 1, channel by channel', (t) => {
  const images = bytesToImages(bytes, [2, 3], 3);
  t.deepEqual([images.shape, images.dtype], [[2, 3, 2, 3], 'float32']);
  const values = images.toTypedArray() as Float32Array;
  for (let i = 0; i < values.length; i++) {
    const [image, channel, pixel] = [Math.floor(i / 18), Math.floor(i / 6) % 3, i % 6];
    const byte = bytes[(image * 6 + pixel) * 3 + channel]!;
    t.is(values[i], Math.fround(Math.fround(byte / 127.5) - 1));
  }
  t.deepEqual(bytesToImages(Uint8Array.of(0, 255), [1, 1], 1).flatten().tolist(), [-1, 1]);
});

test.serial('what is sent to a device are the bytes', (t) => {
  const sent: unknown[] = [];
  const { to } = torch.Tensor.prototype;
  torch.Tensor.prototype.to = function (this: torch.Tensor, ...args: Parameters<typeof to>) {
    sent.push([this.dtype, this.numel()]);
    return to.apply(this, args);
  };
  t.teardown(() => (torch.Tensor.prototype.to = to));
  bytesToImages(bytes, [2, 3], 3);
  t.deepEqual(sent, [['uint8', bytes.length]]);
});
