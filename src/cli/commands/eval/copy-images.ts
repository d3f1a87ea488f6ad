/** The images of `eval --copies`: training images, those that no model has seen, and samples. */
import type { ImageSource } from '../../../data/image-source.js';
import { isTokenFolder } from '../../../data/files/token-folder.js';
import { openImages } from '../../../data/open-images.js';
import { shownPath } from '../../../files/file-names.js';
import { isForeign, type RunConfig } from '../../../runs/config.js';
import { readConfig } from '../../../runs/folder.js';
import { openRunImages } from '../../../training/images.js';
import { interruptSignal } from '../../interrupt.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';
import { isModel } from './run-images.js';

/** Training images, and held-out ones, which may be none. */
export interface TrainingImages {
  train: ImageSource;
  heldOut: ImageSource;
  close(): Promise<void>;
}

/**
 * Opens the training images that `--training` names, a run or a folder, or else those of the run that is sampled.
 *
 * @throws UsageError if they are not named
 */
export async function openTraining(what: string, flags: EvalFlags): Promise<TrainingImages> {
  const { training = what, heldOut, size } = flags;
  const signal = interruptSignal();
  if (isModel(training, {})) {
    if (heldOut !== undefined) {
      throw new UsageError(
        `--held-out is for a folder of training images: ${shownPath(training)} has images that it held out`,
      );
    }
    const config = await readConfig(training);
    expectPixels(training, config);
    const data = { ...config.data, size: size ?? config.data.size };
    return openRunImages({ ...config, data }, { signal }, []);
  }
  if (flags.training === undefined) {
    throw new UsageError(
      `${shownPath(what)} is not a run; name the training images, or the run that was trained on them, with --training`,
    );
  }
  if (size === undefined) {
    throw new UsageError(
      `--training ${shownPath(training)} is a folder; say with --size how large its images are compared`,
    );
  }
  const others = heldOut === undefined ? { heldOut: 0 } : { heldOutPath: heldOut };
  return openImages({ path: training, size, ...others }, { signal });
}

/** @throws UsageError for a run whose training images are not known, or were tokens */
function expectPixels(run: string, config: RunConfig): void {
  const way = 'name the training images, or a run that was trained on them, with --training';
  if (isForeign(config)) throw new UsageError(`${shownPath(run)} was trained elsewhere; ${way}`);
  if (!isTokenFolder(config.data.path)) return;
  throw new UsageError(
    `${shownPath(run)} was trained on the tokens in ${shownPath(config.data.path)}, which have no pixels; ${way}`,
  );
}

/** Opens a folder of generated images, in the size and the channels of training images. */
export async function openFolder(path: string, { train }: TrainingImages): Promise<SampledImages> {
  const { size, channels } = train;
  const opened = await openImages({ path, size, channels, heldOut: 0 }, { signal: interruptSignal() });
  return { source: opened.train, protocol: {}, close: () => opened.close() };
}

/** Generated images, and how they were drawn. */
export interface SampledImages {
  source: ImageSource;
  protocol: Readonly<Record<string, string | number>>;
  close(): Promise<void>;
}
