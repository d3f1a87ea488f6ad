/** Images of a run: opens them, and compares those of a resumed run with the original ones. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { shownPath } from '../files/file-names.js';
import { derivedFields } from '../data/fields/example.js';
import { fingerprintOf } from '../data/fingerprint.js';
import { passedOver } from '../data/files/find-images.js';
import { lowResolutionOf } from '../data/fields/low-resolution.js';
import { openImages, type DataReport } from '../data/open-images.js';
import { contentHash } from '../data/split.js';
import { isTokenFolder } from '../data/files/token-folder.js';
import type { CheckpointState } from '../runs/checkpoint.js';
import { isModel, sectionsOfSeveral } from './stages/transformer/condition-sections.js';
import { codesFile } from './stages/transformer/codes.js';
import type { RunConfig } from '../runs/config.js';
import { RunError } from '../runs/error.js';
import type { ImagesState } from '../runs/setup.js';
import type { ImageSource } from '../data/image-source.js';
import { openTokenImages, type TokenSets, type TokenImages } from './token-images.js';

/** Images that are not opened from `config.data.path`. */
export interface Images {
  train: ImageSource;
  heldOut: ImageSource;
  /** Their ids, if they are those of a token set, whose pixels are not there. */
  tokens?: TokenSets;
}

export interface TrainerOptions {
  /** Images to use instead of those that `config.data` names. */
  images?: Images;
  /** Called while images are generated or decoded. */
  onProgress?: ((label: string, done: number, total: number) => void) | undefined;
  /** Aborts the opening of images. */
  signal?: AbortSignal | undefined;
}

type Opened = Images & { report?: Pick<DataReport, 'kind'> | TokenImages['report']; close(): Promise<void> };

/**
 * Opens the images that the configuration names, or uses those passed by the caller, and adds notes about them.
 *
 * @param takesTokens true for a stage that can be trained on a token set; default false
 */
export async function openRunImages(
  config: RunConfig,
  { images, onProgress, signal }: TrainerOptions,
  notes: string[],
  takesTokens = false,
): Promise<Opened> {
  const maps = config.data.maps ?? [];
  if (images) return withMaps(givenImages(config, images), maps, config);
  if (takesTokens && isTokenFolder(config.data.path)) return openTokenImages(config, notes);
  const needed = maps.some((name) => !derivedFields.includes(name));
  const opened = await openImages(config.data, { maps: needed, onProgress, signal });
  await withMaps(opened, maps, config);
  const { skipped, enlarged, ignoredKinds } = opened.report;
  for (const { path, reason } of skipped.slice(0, 5)) notes.push(`left out ${shownPath(path)}: ${reason}`);
  if (skipped.length > 5) notes.push(`and ${skipped.length - 5} more files were left out`);
  notes.push(...passedOver(ignoredKinds));
  if (enlarged > 0)
    notes.push(`${enlarged} images are smaller than ${config.data.size} pixels and were enlarged`);
  if (opened.heldOut.length === 0) notes.push('no images are held out, so only training losses are measured');
  return opened;
}

/** Returns images that have the maps. Closes them if one is missing, and throws a RunError that names it. */
async function withMaps(opened: Opened, maps: readonly string[], { data }: RunConfig): Promise<Opened> {
  try {
    for (const source of [opened.train, opened.heldOut]) source.checkFields(maps);
    return opened;
  } catch (cause) {
    await opened.close();
    throw new RunError(`${data.path}: ${(cause as Error).message}`, { cause });
  }
}

function givenImages({ data }: RunConfig, { train, heldOut }: Images): Opened {
  for (const { size } of [train, heldOut]) {
    if (size === data.size) continue;
    throw new RunError(
      `the images passed are ${size} × ${size} pixels, but data.size is ${data.size}: set data.size=${size}, or resize the images`,
    );
  }
  const { channels } = data;
  const low = lowResolutionOf(data);
  return {
    train: train.withChannels(channels, low),
    heldOut: heldOut.withChannels(channels, low),
    close: async () => {},
  };
}

/** Returns the description of a run's images that checkpoints record. */
export function imagesState({ train, heldOut, tokens }: Images): ImagesState {
  const images = fingerprintOf(train, heldOut);
  const digests = tokens && [images, tokens.train.digest, tokens.heldOut.digest].join(' ');
  return {
    images: { train: train.length, heldOut: heldOut.length },
    classes: train.classes,
    fingerprint: digests ? contentHash(digests).slice(0, 16) : images,
  };
}

/**
 * Compares the images with those that the checkpoint was made with. Returns the configuration to continue with, without
 * `data.changed`, which applies only once.
 *
 * @throws RunError with the difference, and how to continue anyway
 */
export async function sameImages(
  run: string,
  config: RunConfig,
  opened: Opened,
  state: CheckpointState,
  notes: string[],
): Promise<RunConfig> {
  const { changed = 'stop', ...data } = config.data;
  const difference = differenceOf(config, imagesState(opened), state as Partial<ImagesState>);
  if (difference === null) return { ...config, data };
  const classes = classesNeeded(config);
  const known = classes === null || opened.train.classes.length === classes;
  if (changed !== 'accept' || !known) {
    throw new RunError(
      `${difference}. Restore the original images, ` +
        (known ? 'continue with the new ones (data.changed=accept), ' : '') +
        'or start a new run.',
    );
  }
  notes.push(`${difference}. The run continues with the new images`);
  // A transformer's codes were computed from the previous images.
  await rm(join(run, codesFile), { force: true });
  restartPass(state, opened.train.length);
  return { ...config, data };
}

function differenceOf({ data }: RunConfig, now: ImagesState, before: Partial<ImagesState>): string | null {
  const { images, classes = now.classes, fingerprint = now.fingerprint } = before;
  const count = (of: ImagesState['images']) =>
    `${of.train} training images and ${of.heldOut} held-out images`;
  if (images && count(images) !== count(now.images)) {
    return (
      `${data.path} now has ${count(now.images)}; the run was started with ` +
      `${images.train} and ${images.heldOut}`
    );
  }
  if (classes.join('\0') !== now.classes.join('\0')) {
    const named = (names: readonly string[]) => (names.length === 0 ? 'none' : names.slice(0, 12).join(', '));
    return `the classes in ${data.path} are now ${named(now.classes)}; the run was started with ${named(classes)}`;
  }
  if (fingerprint === now.fingerprint) return null;
  return (
    `${data.path} has as many images as when the run was started, but they are not the same: the contents, the class or ` +
    'the order of some have changed'
  );
}

/** Returns the number of classes that the model was built for; null if it does not specify one. */
function classesNeeded({ model }: RunConfig): number | null {
  const condition = model.params?.['cond_stage_config'];
  const counts = (sectionsOfSeveral(condition) ?? [condition]).map((section) =>
    isModel(section) ? section.params?.['n_classes'] : undefined,
  );
  return (counts.find((count) => count !== undefined) ?? null) as number | null;
}

/** Starts the next epoch if the position in the order of images is past their new, smaller number. */
function restartPass(state: CheckpointState, count: number): void {
  const data = state['data'] as { epoch: number; position: number } | number | undefined;
  if (typeof data === 'object' && data.position >= count)
    state['data'] = { epoch: data.epoch + 1, position: 0 };
}
