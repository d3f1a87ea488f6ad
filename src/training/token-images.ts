/** Opens token sets instead of the images that they were made from. */
import { ImageDataError } from '../data/image-error.js';
import { ImageSource, type PictureStore } from '../data/image-source.js';
import { splitFrom } from '../data/split.js';
import { isTokenFolder } from '../data/files/token-folder.js';
import type { RunConfig } from '../runs/config.js';
import { RunError } from '../runs/error.js';
import { TokenSet } from '../tokenizer/token-set.js';

/** Ids of a run's images. */
export interface TokenSets {
  train: TokenSet;
  /** The same set, unless the held-out images have one of their own. */
  heldOut: TokenSet;
}

/** Images without pixels, and their ids. */
export interface TokenImages {
  train: ImageSource;
  heldOut: ImageSource;
  tokens: TokenSets;
  report: { kind: 'tokens' };
  close(): Promise<void>;
}

/** Opens the token set that a configuration names, splits it as images are split, and adds a note about it. */
export async function openTokenImages({ data, training }: RunConfig, notes: string[]): Promise<TokenImages> {
  const { path, heldOutPath, size, channels } = data;
  if (training.views > 1) {
    throw new RunError(
      `training.views is ${training.views}, but ${path} is a token set, which has its own views: make it with encode --views ${training.views}, and leave out ` +
        'training.views',
    );
  }
  if (heldOutPath !== undefined && !isTokenFolder(heldOutPath)) {
    throw new RunError(
      `data.path is the token set ${path}, but data.heldOutPath is ${heldOutPath}, which is not one: encode those images too and name ` +
        'that set, or hold out a share of the tokens with data.heldOutPath=null',
    );
  }
  const main = await TokenSet.open(path);
  let other: TokenSet | null = null;
  const close = async () => {
    main.dispose();
    other?.dispose();
  };
  try {
    if (heldOutPath !== undefined) other = await TokenSet.open(heldOutPath);
    if (other) checkAlike(main, other);
    const { train, heldOut } = splitFrom(main, other, main.split, data.heldOut);
    if (other && train.length === 0) {
      throw new ImageDataError(path, `all its images are also in ${heldOutPath}; none is left to train on`);
    }
    const held = other ?? main;
    notes.push(
      `the transformer reads the tokens in ${path}, not images: ` +
        (main.views === 1
          ? 'one view of each'
          : `${main.views} views of each image, one of them in each epoch`),
    );
    if (heldOut.length === 0) notes.push('no images are held out, so only training losses are measured');
    return {
      train: new ImageSource(storeOf(main), size, train, channels),
      heldOut: new ImageSource(storeOf(held), size, heldOut, channels),
      tokens: { train: main, heldOut: held },
      report: { kind: 'tokens' },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Returns the images of a set by name, class and hash. */
function storeOf(set: TokenSet): PictureStore {
  return {
    length: set.length,
    classes: set.classes,
    name: (image) => set.name(image),
    label: (image) => set.label(image),
    hash: (image) => set.hash(image),
    load: (image) => {
      throw new ImageDataError(set.path, `this is a token set, which has no pixels of ${set.name(image)}`);
    },
    close: async () => {},
  };
}

/** @throws RunError if two sets cannot be compared image by image */
function checkAlike(main: TokenSet, other: TokenSet): void {
  const grids = [main, other].map(({ grid }) => grid.join(' × '));
  if (grids[0] !== grids[1]) {
    throw new RunError(
      `the token set ${main.path} has grids of ${grids[0]}, but ${other.path} of ${grids[1]}: encode both at the same size`,
    );
  }
  if (main.hashed !== other.hashed || main.classes.join('\0') !== other.classes.join('\0')) {
    throw new RunError(
      `the token sets ${main.path} and ${other.path} do not record the same of their images, hashes and classes: encode both with ` +
        '--views, of folders with the same classes',
    );
  }
}
