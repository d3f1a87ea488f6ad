import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

/** Returns bytes [B, height, width, channels] as float32 [B, channels, height, width] in [-1, 1]. */
export function bytesToImages(
  bytes: Uint8Array,
  [height, width]: readonly [number, number],
  channels: number,
  device: torch.Device = 'cpu',
): Tensor {
  const count = bytes.length / (height * width * channels);
  return torch.scope(() => {
    const rows = upload(bytes, device).view([count, height, width, channels]); // As bytes: a quarter of the traffic.
    return torch
      .empty([count, channels, height, width], { device })
      .copy_(rows.permute([0, 3, 1, 2])) // [B, C, H, W]
      .div_(torch.full([], 127.5, { device })) // A tensor of the device: CUDA multiplies by the inverse of a number.
      .sub_(1);
  });
}

/** Copies to a GPU from pinned memory, without waiting for queued work: the last step may still be running there. */
function upload(bytes: Uint8Array, device: torch.Device): Tensor {
  const rows = torch.tensor(bytes);
  return device.startsWith('cuda') ? rows.pinMemory().to(device, { nonBlocking: true }) : rows.to(device);
}
