/** Distance of a run from the weights that it began with: the share of codes of held-out images that have changed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { changedCodesMetric } from '../../../metrics/changed-codes.js';
import { formatMetric } from '../../../metrics/metric.js';
import type { Run } from '../../../runs/run.js';
import { indicesOf } from '../../../tokenizer/indices.js';
import * as torch from '../../../torch/index.js';
import { unrecorded } from '../../../torch/core/unrecorded.js';
import type { Tensor } from '../../../torch/index.js';
import * as nn from '../../../torch/nn/index.js';
import { loadNpy, saveNpy } from '../../../torch/io/index.js';

/** File in a run's folder with the codes under its initial weights, which a resumed run no longer has. */
const FILE = 'start-codes.npy';

/** Codes of the validation images of a run under its initial weights. */
export class StartCodes {
  /** int64 [N, h, w] on the device. */
  readonly #codes: Tensor;
  readonly #images: Tensor;
  readonly #model: FirstStage;

  private constructor(model: FirstStage, images: Tensor, codes: Tensor) {
    this.#model = model;
    this.#images = images;
    this.#codes = codes;
  }

  /**
   * Encodes the images [N, C, H, W] with the weights of a run that begins, or reads the codes of a resumed run. Returns
   * null if the run did not begin with given weights, or has no codes for images of this number and size.
   */
  static async of(run: Run, model: FirstStage, images: Tensor): Promise<StartCodes | null> {
    if (run.config.training.from === undefined) return null;
    const path = join(run.folder, FILE);
    const now = codesOf(model, images);
    if (!existsSync(path)) {
      if (run.step > 0) return (now.dispose(), null);
      await saveNpy(path, now.cpu());
      return new StartCodes(model, images, now);
    }
    const codes = torch.keep((await loadNpy(path)).to(now.device));
    const same = codes.shape.join() === now.shape.join();
    now.dispose();
    return same ? new StartCodes(model, images, codes) : (codes.dispose(), null);
  }

  /** Returns the share of codes that have changed, in percent. */
  changed(): Record<string, number> {
    const share = torch.scope(() => codesOf(this.#model, this.#images).ne(this.#codes).float().mean().item());
    return { [changedCodesMetric.name]: 100 * share };
  }

  /** Returns the report of a run that ends: `12.3% of the codes of 32 held-out images have changed …`. */
  report(): string {
    const [share = 0] = Object.values(this.changed());
    const text = formatMetric(changedCodesMetric, share).replace(' ', '');
    const count = this.#codes.shape[0]!;
    return `${text} of the codes of ${count} held-out image${count === 1 ? '' : 's'} have changed since the run began`;
  }

  dispose(): void {
    this.#codes.dispose();
  }
}

function codesOf(model: FirstStage, images: Tensor): Tensor {
  return nn.inEvaluation(model, () => unrecorded(() => indicesOf(model, images, 'float32')));
}
