/** Runs small enough for tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { ImageSource } from '../../src/data/image-source.js';
import { MemoryStore } from '../../src/data/built-in/memory-store.js';
import type { TrainingEvent } from '../../src/runs/events.js';
import type { Images } from '../../src/training/images.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';

export const SIZE = 16;

/** Coloured stripes: pictures of `width` × 16 pixels, so that crops differ. */
export function stripes(count: number, classes: readonly string[] = [], width = 20): MemoryStore {
  const items = Array.from({ length: count }, (_, n) => {
    const pixels = new Uint8Array(SIZE * width * 3);
    for (let i = 0; i < pixels.length; i++) pixels[i] = (i * (n + 3) + 40 * n + 17 * (i % 3)) % 256;
    const label = classes.length > 0 ? { label: n % classes.length } : {};
    return { name: `stripes ${n}`, hash: String(n), width, height: SIZE, pixels, ...label };
  });
  return new MemoryStore(items, classes);
}

export function images(classes: readonly string[] = []): Images {
  const store = stripes(14, classes);
  return {
    train: new ImageSource(store, SIZE, [...Array(10).keys()]),
    heldOut: new ImageSource(store, SIZE, [10, 11, 12, 13]),
  };
}

const loss = { disc_start: 0, disc_num_layers: 1, disc_ndf: 8, perceptual_weight: 0 };

export function vqganConfig(training: Record<string, unknown> = {}) {
  return {
    model: {
      target: 'taming.models.vqgan.VQModel',
      params: {
        n_embed: 16,
        embed_dim: 8,
        ddconfig: {
          ch: 32,
          ch_mult: [1, 1],
          num_res_blocks: 0,
          attn_resolutions: [],
          resolution: SIZE,
          in_channels: 3,
          out_ch: 3,
          z_channels: 32,
          double_z: false,
        },
        lossconfig: { target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator', params: loss },
      },
    },
    data: { path: 'stripes', size: SIZE },
    training: { steps: 6, batchSize: 2, threads: 1, device: 'cpu', logEvery: 1, saveEvery: 100, ...training },
  };
}

export function transformerConfig(vqgan: string, training: Record<string, unknown> = {}) {
  const gpt = { n_layer: 1, n_head: 2, n_embd: 16, embd_pdrop: 0.1 };
  return {
    model: {
      target: 'taming.models.cond_transformer.Net2NetTransformer',
      params: {
        pkeep: 0.9,
        unconditional: true,
        transformer_config: {
          target: 'taming.modules.transformer.mingpt.GPT',
          params: { vocab_size: 16, block_size: 64, ...gpt },
        },
      },
    },
    data: { path: 'stripes', size: SIZE },
    training: { vqgan, ...vqganConfig().training, samples: 2, ...training },
  };
}

interface Running {
  run(options?: { signal?: AbortSignal }): AsyncIterable<TrainingEvent>;
}

/** All events of a run; with `stopAt` it is interrupted at that step, as by Ctrl-C. */
export async function eventsOf(trainer: Running, stopAt?: number): Promise<TrainingEvent[]> {
  const controller = new AbortController();
  const events: TrainingEvent[] = [];
  for await (const event of trainer.run({ signal: controller.signal })) {
    events.push(event);
    if (event.type === 'step' && event.step === stopAt) controller.abort();
  }
  return events;
}

/** Losses by step. */
export function lossesOf(events: readonly TrainingEvent[]): Map<number, Record<string, number>> {
  return new Map(
    events.flatMap((event) => (event.type === 'log' ? [[event.step, event.losses] as const] : [])),
  );
}

export function temporaryFolder(t: Pick<ExecutionContext, 'teardown'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-run-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Trains two first stages for a step each, in the folders `vqgan` and `edges`: of images, and of their edges. */
export async function trainFirstStages(place: (name: string) => string): Promise<void> {
  const { model, ...rest } = vqganConfig({ steps: 1 });
  const ddconfig = { ...model.params.ddconfig, in_channels: 1, out_ch: 1, ch_mult: [1, 1, 1] };
  const edges = { ...model, params: { ...model.params, n_embed: 7, ddconfig, image_key: 'edges' } };
  for (const [name, section] of Object.entries({ vqgan: model, edges })) {
    const config = { ...rest, model: section };
    await eventsOf(await VqganTrainer.create(config, { run: place(name), images: images() }));
  }
}
