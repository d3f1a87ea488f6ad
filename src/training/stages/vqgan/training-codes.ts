/** Use of the codes by the images that a run trains on: a moving histogram, and an alarm if most codes have died. */
import { histogramEntropy } from '../../../metrics/codebook-use.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { Quantized } from '../../../models/encoded.js';
import * as torch from '../../../torch/index.js';
import { unrecorded } from '../../../torch/core/unrecorded.js';
import type { HookHandle, Tensor } from '../../../torch/index.js';
import type { MetricValues } from '../../stage.js';

/** Share of dead codes that is reported, and the share below which it may be reported again. */
const ALARM = { above: 0.5, below: 0.4 };

export interface TrainingCodesOptions {
  /** Steps after which a code that no image has used is dead, and in which an image's weight in the histogram falls to 1 / e. */
  window: number;
  /** Steps that the run has taken. */
  step: number;
  device: torch.Device;
}

/**
 * Counts the codes that a first stage chooses in training, on its device: steps do not wait for it. Counts are read where
 * steps are logged, of all processes together. A resumed run starts from zero.
 */
export class TrainingCodes {
  readonly #window: number;
  /** Counts since the last reading, int64 [K]. */
  readonly #counts: Tensor;
  readonly #hook: HookHandle;
  readonly #histogram: Float64Array;
  /** Step at which each code was last found in use. */
  readonly #usedAt: Float64Array;
  readonly #begunAt: number;
  #readAt: number;
  #alarmed = false;
  #remark: string | null = null;

  constructor(model: FirstStage, { window, step, device }: TrainingCodesOptions) {
    const { quantize } = model;
    this.#window = window;
    this.#counts = torch.keep(torch.zeros([quantize.reEmbed], { dtype: 'int64', device }));
    this.#histogram = new Float64Array(quantize.reEmbed);
    this.#usedAt = new Float64Array(quantize.reEmbed).fill(step);
    [this.#begunAt, this.#readAt] = [step, step];
    this.#hook = quantize.registerForwardHook((_, __, output) => {
      // Measuring and drawing are in evaluation mode, in which a frozen quantizer always is.
      if (model.training) this.#count((output as Quantized).indices);
    });
  }

  /** Adds indices of any shape. Neither waits for the device nor draws random numbers, also in a CUDA graph. */
  #count(indices: Tensor): void {
    unrecorded(() => {
      const flat = indices.detach().flatten();
      const known = flat.ge(0).to('int64'); // Layers that quantizeDropout leaves out have −1.
      this.#counts.indexAdd_(0, flat.clampMin(0), known);
    });
  }

  /**
   * Reads the counts, which waits for the device. Returns the perplexity of the moving histogram and, once a whole window
   * has been seen, the number of dead codes.
   */
  read(step: number): MetricValues {
    const counts = this.#taken();
    const keep = Math.exp(-Math.max(0, step - this.#readAt) / this.#window);
    this.#readAt = step;
    for (const [code, count] of counts.entries()) {
      this.#histogram[code] = this.#histogram[code]! * keep + Number(count);
      if (count > 0n) this.#usedAt[code] = step;
    }
    const trainPerplexity = Math.exp(histogramEntropy(this.#histogram));
    if (step - this.#begunAt < this.#window) return { trainPerplexity };
    const deadCodes = this.#usedAt.filter((at) => step - at >= this.#window).length;
    this.#watch(deadCodes);
    return { trainPerplexity, deadCodes };
  }

  /** Returns the counts of all processes since the last reading, and starts counting from zero again. */
  #taken(): BigInt64Array {
    return unrecorded(() => {
      const counts = this.#counts.to('cpu').clone();
      this.#counts.zero_();
      if (torch.distributed.worldSize() > 1) torch.distributed.allReduce(counts, { op: 'sum' });
      return counts.toTypedArray() as BigInt64Array;
    });
  }

  #watch(dead: number): void {
    const all = this.#usedAt.length;
    const share = dead / all;
    if (share < ALARM.below) this.#alarmed = false;
    if (share <= ALARM.above || this.#alarmed) return;
    this.#alarmed = true;
    const number = (value: number) => value.toLocaleString('en');
    this.#remark =
      `dead codes: ${number(dead)} of ${number(all)} codes (${Math.round(100 * share)}%) were used by no training image in the ` +
      `last ${number(this.#window)} steps; keep training.restartCodes on, lower training.learningRate, or train with fewer codes`;
  }

  /** Returns the alarm once, when more than half of the codes have died; otherwise null. */
  remark(): string | null {
    const remark = this.#remark;
    this.#remark = null;
    return remark;
  }

  /** Stops counting. */
  dispose(): void {
    this.#hook.remove();
    this.#counts.dispose();
  }
}
