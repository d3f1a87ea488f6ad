import { availableParallelism } from 'node:os';
import type { ImageFilesOptions } from './image-files.js';

/**
 * Runs `work` for 0 … count-1, a few at a time: enough to keep the decoder's threads busy, few enough to stop early on
 * an error. Returns the results in order.
 * @param label name of the work, for `onProgress`
 * @throws the first error, or the signal's reason, once all started work is done
 */
export async function inParallel<T>(
  count: number,
  work: (index: number) => Promise<T>,
  label: string,
  options: Pick<ImageFilesOptions, 'onProgress' | 'signal'> = {},
): Promise<T[]> {
  const results = Array.from<T>({ length: count });
  let next = 0;
  let done = 0;
  let failed = false;
  const worker = async () => {
    while (next < count && !failed) {
      const index = next++;
      try {
        options.signal?.throwIfAborted();
        results[index] = await work(index);
        options.onProgress?.(label, ++done, count);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: 2 * availableParallelism() }, worker));
  for (const worked of workers) if (worked.status === 'rejected') throw worked.reason;
  return results;
}
