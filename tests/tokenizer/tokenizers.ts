/** Tokenizers small enough for tests, and images for them. */
import { join } from 'node:path';
import sharp from 'sharp';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { images, temporaryFolder, transformerConfig, vqganConfig } from '../training/tiny.js';

/** Runs of both stages, without a step: stride 2, 16 codes, 16 × 16 pixels. */
export async function runs(): Promise<{ vqgan: string; transformer: string; remove: () => void }> {
  const teardown: (() => unknown)[] = [];
  const folder = temporaryFolder({ teardown: (fn) => void teardown.push(fn) });
  const [vqgan, transformer] = ['vqgan', 'transformer'].map((name) => join(folder, name)) as [string, string];
  await (await VqganTrainer.create(vqganConfig(), { run: vqgan, images: images() })).close();
  const second = await TransformerTrainer.create(transformerConfig(vqgan), {
    run: transformer,
    images: images(),
  });
  await second.close();
  return { vqgan, transformer, remove: () => teardown.forEach((fn) => fn()) };
}

/** A PNG of `width` × `height` pixels in which no two neighbours are alike. */
export async function png(width: number, height: number, seed = 1): Promise<Buffer> {
  const pixels = Buffer.from(
    Array.from({ length: width * height * 3 }, (_, i) => (i * 7919 * (seed + 2) + 31 * seed) % 251),
  );
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
