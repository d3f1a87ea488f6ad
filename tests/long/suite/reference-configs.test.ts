/** The configurations that the reference ships, made small: each trains three steps, and second stages sample. */
import { join } from 'node:path';
import test from 'ava';
import { coordinateMap } from '../../../src/data/fields/coordinates.js';
import { ImageSource } from '../../../src/data/image-source.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';
import { modelFromConfig, type ModelConfig } from '../../../src/models/registry/from-config.js';
import type { Net2NetTransformer } from '../../../src/models/two-stage.js';
import { sampleImages } from '../../../src/sampling/images.js';
import * as torch from '../../../src/torch/index.js';
import { transformerOptimizer, transformerStep } from '../../../src/training/stages/transformer/step.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { firstStages, secondStages } from '../../models/registry/reference-configs.js';
import { eventsOf, temporaryFolder } from '../../training/tiny.js';

const SIZE = 32;
const small: Readonly<Record<string, unknown>> = {
  // Widths and layers; all else stays as the reference wrote it.
  ch: 32,
  num_res_blocks: 1,
  resolution: SIZE,
  z_channels: 32,
  embed_dim: 32,
  n_layer: 1,
  n_embd: 32,
};

/** Returns a configuration with its sizes replaced. */
function tiny(config: unknown): unknown {
  if (Array.isArray(config) || typeof config !== 'object' || config === null) return config;
  const entries = Object.entries(config as Record<string, unknown>);
  return Object.fromEntries(entries.map(([key, value]) => [key, small[key] ?? tiny(value)]));
}

/** Images with a depth map, and a segmentation into as many labels. */
function images(labels: number) {
  const area = SIZE * SIZE;
  const items = Array.from({ length: 8 }, (_, n) => {
    const bytes = (count: number, most: number) =>
      Uint8Array.from({ length: count }, (__, i) => (i * (n + 3) + 17 * n) % most);
    const maps = { depth: bytes(area, 256), segmentation: bytes(area, labels) };
    return { name: `${n}`, hash: `${n}`, width: SIZE, height: SIZE, pixels: bytes(3 * area, 256), maps };
  });
  const names = Array.from({ length: labels }, String);
  const store = new MemoryStore(items, [], { depth: {}, segmentation: { labels: names } });
  return { train: new ImageSource(store, SIZE, [0, 1, 2, 3]), heldOut: new ImageSource(store, SIZE, [4, 5]) };
}

for (const [name, config] of Object.entries(firstStages)) {
  test.serial(`${name} trains`, async (t) => {
    const labels = (config.params['n_labels'] ?? 2) as number;
    const training = { steps: 3, batchSize: 2, threads: 1, device: 'cpu', lpips: 'off' };
    const whole = { model: tiny(config), data: { path: name, size: SIZE }, training };
    const run = join(temporaryFolder(t), 'run');
    const events = await eventsOf(await VqganTrainer.create(whole, { run, images: images(labels) }));
    t.like(events.at(-1), { type: 'end', step: 3, interrupted: false });
  });
}

/** Inputs of the second stages' conditions. */
const conditions: Readonly<Record<string, () => torch.Tensor>> = {
  coord: () => coordinateMap(SIZE, SIZE).repeat([2, 1, 1, 1]),
  depth: () => torch.rand([2, 1, SIZE, SIZE]),
  objects_bbox: () => torch.randint(0, 8192, [2, 92]),
};

for (const [name, config] of Object.entries(secondStages)) {
  test.serial(`${name} trains and samples`, (t) => {
    const net = modelFromConfig<Net2NetTransformer>(tiny(config) as ModelConfig);
    const optimizer = transformerOptimizer(net.transformer, { lr: 1e-2 });
    const x = torch.rand([2, 3, SIZE, SIZE]);
    const c = conditions[net.condStageKey]!();
    const losses = Array.from({ length: 3 }, () => transformerStep(net, optimizer, { x, c }).loss.item());
    t.true(losses.every(Number.isFinite) && losses[2]! < losses[0]!, losses.join(', '));
    const images = sampleImages(net, net.encodeToC(c).indices, { grid: [2, 2], topK: 100 });
    t.deepEqual(images.shape, [2, 3, SIZE, SIZE]);
  });
}
