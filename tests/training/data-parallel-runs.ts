/** Runs in several ranks, each in a worker. */
import { join } from 'node:path';
import sharp from 'sharp';
import type { Ranks } from '../torch/ranks.js';
import { SIZE } from './tiny.js';

/** Writes small images into a folder, which it returns. */
export async function pictures(folder: string): Promise<string> {
  for (let n = 0; n < 12; n++) {
    const pixels = Buffer.from(
      Array.from({ length: SIZE * SIZE * 3 }, (_, i) => (i * (n + 3) + 40 * n) % 256),
    );
    const raw = { width: SIZE, height: SIZE, channels: 3 as const };
    await sharp(pixels, { raw }).toFile(join(folder, `${n}.png`));
  }
  return folder;
}

/** Trains in both ranks, the second of which may be told to stop after a step, and what is done before the first; the weights of each at the end, as their sum and the sum of their squares. */
export async function trainedIn(
  ranks: Ranks,
  open: string,
  { stopAt = 0, before = '' }: { stopAt?: number; before?: string } = {},
): Promise<[number, number][]> {
  const body = `
    const trainer = await tessera.VqganTrainer.${open};
    ${before}
    const controller = new AbortController();
    for await (const event of trainer.run({ signal: controller.signal }))
      if (event.type === 'step' && event.step === ${stopAt} && rank === 1) controller.abort();
    const all = torch.cat([...trainer.model.stateDict()].filter(([key]) => !key.includes('perceptual')).map(([, x]) => x.detach().double().flatten()));
    return [all.sum().item(), all.square().sum().item()];`;
  return (await ranks.run(body)) as [number, number][];
}

/** Returns the code that opens a new run. */
export const created = (config: unknown, run: string) =>
  `create(${JSON.stringify(config)}, { run: ${JSON.stringify(run)} })`;
