/** Views of images in training: crops, mirrored or not. */
import { centreView, type View } from '../pictures/picture.js';
import { randomResizedBox, usualResizedCrop, type ResizedCrop } from './random-resized-crop.js';
import { SeededRandom } from '../seeded-random.js';

/** Options of drawing the view of an image in training; see `LoaderOptions`. */
export interface ViewOptions extends Partial<ResizedCrop> {
  crop: 'random' | 'center' | 'resized';
  /** Mirror half of the views. */
  flip: boolean;
}

/** Draws a view. */
export function drawView(
  random: SeededRandom,
  { crop, flip, scale = usualResizedCrop.scale, ratio = usualResizedCrop.ratio }: ViewOptions,
): View {
  const view = { x: random.next(), y: random.next(), flip: flip && random.chance(0.5) };
  if (crop === 'center') return { ...centreView, flip: view.flip };
  if (crop === 'random') return view;
  const stream = random.integer(2 ** 32);
  const part = (width: number, height: number) => {
    const draws = new SeededRandom(stream); // Of its own, so that the same view shows the same part again.
    return randomResizedBox(width, height, { scale, ratio }, () => draws.next());
  };
  return { ...view, part };
}

/** Choice of the views of each image that are kept. */
export interface FixedViews {
  /** Crops: the central one, and others that are drawn. */
  count: number;
  crop: ViewOptions['crop'];
  /** Mirror half of the drawn crops (`random`), have each crop also mirrored (`both`), or none. */
  flip: 'random' | 'both' | 'none';
  seed: number;
}

/**
 * Returns the views of an image, which depend only on the seed, the image and their number: the first ones of more are the
 * same. The first is the central crop.
 *
 * @param hash SHA-256 of the image in hexadecimal
 */
export function fixedViews(hash: string, { count, crop, flip, seed }: FixedViews): View[] {
  const stream = Number.parseInt(hash.slice(0, 8), 16);
  const crops = Array.from({ length: count }, (_, i) => {
    if (i === 0) return centreView;
    const random = new SeededRandom(new SeededRandom(seed, i).integer(2 ** 32), stream);
    return drawView(random, { crop, flip: flip === 'random' });
  });
  return crops.flatMap((view) => (flip === 'both' ? [view, { ...view, flip: true }] : [view]));
}
