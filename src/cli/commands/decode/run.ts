/** Implements `tessera-torch decode`. Loads libtorch. */
import { join } from 'node:path';
import { shownPath } from '../../../files/file-names.js';
import type { ImageTokenizer } from '../../../tokenizer/image-tokenizer.js';
import { readTokens, tokenFiles, type TokenImage } from '../../../tokenizer/read-tokens.js';
import { checkSequence } from '../../../tokenizer/sequence.js';
import { tileOptions, tilingOf, type TileOptions } from '../../../tokenizer/tiles.js';
import * as torch from '../../../torch/index.js';
import { UniqueNames } from '../../image-paths.js';
import { interruptSignal } from '../../interrupt.js';
import { saveImage } from '../../images.js';
import { countOf } from '../../numbers.js';
import { openTokenizer } from '../../open-tokenizer.js';
import type { TokenFlags } from '../../token-flags.js';

export async function decode(run: string, paths: string[], flags: TokenFlags): Promise<void> {
  const signal = interruptSignal();
  const files = tokenFiles(paths);
  const { out, offset, markers } = flags;
  const tiles = tileOptions(flags);
  using tokenizer = await openTokenizer(run, flags, (facts) => {
    checkSequence(flags, facts.nCodes);
    tilingOf(tiles, facts.stride);
  });
  const { nCodes } = tokenizer;
  const names = new UniqueNames('.png');
  let count = 0;
  for (const tokens of files) {
    const images = readTokens(tokens, { offset, ...(markers && { markers }), nCodes });
    for await (const batch of batchesOf(images, flags.batch)) {
      signal.throwIfAborted();
      const decoded = await decodeBatch(tokenizer, batch, tiles);
      for (const [i, { file, grid }] of batch.entries()) {
        const picture = join(out, names.of(file));
        await saveImage(picture, decoded[i]!, {
          command: 'decode',
          run,
          tokens,
          file,
          ...(tokenizer.ema && { ema: true }),
        });
        count++;
        if (flags.json) process.stdout.write(`${JSON.stringify({ file, picture, grid })}\n`);
        else if (!flags.quiet) process.stdout.write(`${shownPath(file)} → ${shownPath(picture)}\n`);
      }
      torch.dispose(decoded);
    }
  }
  if (!flags.json && !flags.quiet) process.stdout.write(`${countOf(count, 'image')} in ${out}\n`);
}

/** Collects consecutive images with equal grids. */
async function* batchesOf(
  images: AsyncIterable<TokenImage>,
  size: number,
): AsyncGenerator<TokenImage[], void, undefined> {
  let batch: TokenImage[] = [];
  for await (const image of images) {
    const [first] = batch;
    const fits = first?.grid.join() === image.grid.join() && batch.length < size;
    if (first && !fits) {
      yield batch;
      batch = [];
    }
    batch.push(image);
  }
  if (batch.length > 0) yield batch;
}

/** Returns the images of a batch, each cropped to its size: [1, C, H, W]. */
async function decodeBatch(
  tokenizer: ImageTokenizer,
  batch: readonly TokenImage[],
  tiles: TileOptions,
): Promise<torch.Tensor[]> {
  const [height, width] = batch[0]!.grid;
  const all = new Int32Array(batch.length * height * width);
  for (const [i, { ids }] of batch.entries()) all.set(ids, i * ids.length);
  const ids = torch.fromTypedArray(all, [batch.length, height, width], { dtype: 'int32' });
  const images = await tokenizer.decode(ids, tiles);
  const each = torch.scope(() =>
    batch.map(({ size }, i) => {
      const image = images.narrow(0, i, 1);
      const [, , h, w] = image.shape as [number, number, number, number];
      const [toHeight, toWidth] = size ?? [h, w];
      return image.narrow(2, 0, Math.min(h, toHeight)).narrow(3, 0, Math.min(w, toWidth)).clone();
    }),
  );
  torch.dispose([ids, images]);
  return each;
}
