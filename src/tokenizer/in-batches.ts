/** Collects images of equal size into batches while they are read ahead. */
import { availableParallelism } from 'node:os';
import { ImageDataError } from '../data/image-error.js';
import { ReadAhead } from '../data/batches/read-ahead.js';
import type { FittedPicture } from './fit.js';

/** Images of equal size, or one that cannot be used. */
export interface PictureBatch {
  /** Positions of the images in the list. */
  indices: number[];
  pictures: FittedPicture[];
  /** Error of an image that cannot be used, the only one of its batch; `pictures` is then empty. */
  error?: ImageDataError;
}

/**
 * Reads images 0 … count-1 ahead and yields them in batches of equal size. The batches depend only on the sizes of the
 * images and on `batch`, not on how long reading takes. Images that cannot be used are yielded in order.
 *
 * @throws other errors of `read`
 */
export async function* inBatches(
  count: number,
  read: (index: number) => Promise<FittedPicture>,
  batch: number,
): AsyncGenerator<PictureBatch, void, undefined> {
  const groups = new Map<string, PictureBatch>();
  const ahead = new ReadAhead(Array(count).keys(), read, batch + availableParallelism());
  try {
    for (let next = ahead.next(); next; next = ahead.next()) {
      const { item: index, result } = next;
      const picture = await result.catch((error: unknown) => {
        if (error instanceof ImageDataError) return error;
        throw error;
      });
      if (picture instanceof ImageDataError) {
        yield { indices: [index], pictures: [], error: picture };
        continue;
      }
      const key = `${picture.height} × ${picture.width}`;
      const group = groups.get(key) ?? { indices: [], pictures: [] };
      group.indices.push(index);
      group.pictures.push(picture);
      groups.set(key, group);
      if (group.indices.length < batch) continue;
      groups.delete(key);
      yield group;
    }
    yield* groups.values();
  } finally {
    await Promise.allSettled(ahead.close().map(({ result }) => result));
  }
}
