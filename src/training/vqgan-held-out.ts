/** What a first stage makes of pictures it was not trained on: figures, and a grid to look at. */
import { saveImageGrid } from '../data/image-grid.js';
import type { ImageSource } from '../data/image-source.js';
import { inOrder } from '../data/loader.js';
import { codebookUse, countCodesOf } from '../metrics/codebook-use.js';
import { meanColourBlocks } from '../metrics/mean-colour.js';
import { psnr } from '../metrics/psnr.js';
import type { FirstStage } from '../models/vqgan.js';
import * as torch from '../torch/index.js';
import * as nn from '../torch/nn/index.js';
import type { Tensor } from '../torch/index.js';
import { errorMaps } from './grids.js';
import { pixelsPerCode } from './open-run.js';
import type { Figures } from './trainer.js';

/** Pictures measured at a time, and those measured all through a run. */
const SHOWN = 32;
const COLUMNS = 8;

/** The same pictures all through a run, spread over the held-out set: [N, 3, H, W], or null where none are held out. */
export async function validationPictures(heldOut: ImageSource, device: torch.Device): Promise<Tensor | null> {
  const count = Math.min(SHOWN, heldOut.length);
  if (count === 0) return null;
  const spread = Array.from({ length: count }, (_, i) => Math.floor((i * heldOut.length) / count));
  return torch.keep(await heldOut.read(spread, { device }));
}

/** PSNR in decibels and use of the codebook on a batch of pictures. */
export function measurePictures(model: FirstStage, images: Tensor): Figures {
  const { reconstruction, indices } = reconstruct(model, images);
  const counts = countCodesOf(numbers(indices), model.config.nEmbed);
  return { psnr: psnr(reconstruction, images).mean().item(), ...codebookUse(counts) };
}

/** The same on all of a source, and the PSNR of blocks that have their own mean colour; empty where it is empty. */
export async function measureSource(
  model: FirstStage,
  source: ImageSource,
  device: torch.Device,
): Promise<Figures> {
  if (source.length === 0) return {};
  const sums = { psnr: 0, meanColourPsnr: 0 };
  const counts = new Float64Array(model.config.nEmbed);
  for await (const { images } of inOrder(source, SHOWN, { device })) {
    torch.scope(() => {
      const { reconstruction, indices } = reconstruct(model, images);
      const blocks = meanColourBlocks(images, pixelsPerCode(model));
      sums.psnr += psnr(reconstruction, images).sum().item();
      sums.meanColourPsnr += psnr(blocks, images).sum().item();
      countCodesOf(numbers(indices), counts.length).forEach((count, code) => (counts[code]! += count));
    });
    images.dispose();
  }
  const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / source.length]));
  return { ...means, ...codebookUse(counts) };
}

/** Writes rows of inputs, reconstructions and errors; small pictures are enlarged. */
export async function saveReconstructions(model: FirstStage, pictures: Tensor, path: string): Promise<void> {
  const grid = torch.scope(() => {
    const images = pictures.narrow(0, 0, Math.min(COLUMNS, pictures.shape[0]!));
    const { reconstruction } = reconstruct(model, images);
    return torch.cat([images, reconstruction, errorMaps(images, reconstruction)]);
  });
  const [count = 0, , , width = 0] = grid.shape;
  await saveImageGrid(path, grid, { columns: count / 3, scale: Math.max(1, Math.floor(128 / width)) });
  grid.dispose();
}

function reconstruct(model: FirstStage, images: Tensor): { reconstruction: Tensor; indices: Tensor } {
  return nn.inEvaluation(model, () => torch.noGrad(() => model.forward(images)));
}

function numbers(indices: Tensor): BigInt64Array {
  return indices.flatten().to('cpu').toTypedArray() as BigInt64Array;
}
