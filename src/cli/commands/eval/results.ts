/** Reads results that `eval --out` wrote. */
import { readFile } from 'node:fs/promises';
import { isTree } from '../../../config/schema.js';
import { shownPath, systemPath } from '../../../files/file-names.js';
import type { Evaluation } from '../../../metrics/evaluation.js';
import { UsageError } from '../../usage-error.js';

const isEvaluation = (value: unknown): value is Evaluation =>
  isTree(value) && typeof value['what'] === 'string' && isTree(value['values']) && isTree(value['protocol']);

/** @throws UsageError for a file that has no results */
export async function readResults(path: string): Promise<Evaluation[]> {
  const text = await readFile(systemPath(path), 'utf8').catch((cause: unknown) => {
    throw new UsageError(`${shownPath(path)} cannot be read: ${(cause as Error).message}`);
  });
  let found: unknown = null;
  try {
    found = (JSON.parse(text) as { evaluations?: unknown }).evaluations;
  } catch {
    // Reported below, like every other content.
  }
  if (Array.isArray(found) && found.length > 0 && found.every(isEvaluation)) return found.map(finite);
  throw new UsageError(`${shownPath(path)} has no results: name a file that eval --out wrote`);
}

/** Leaves out what JSON cannot hold, such as the infinite PSNR of equal images: it was written as null. */
const finite = (evaluation: Evaluation): Evaluation => ({
  ...evaluation,
  values: Object.fromEntries(
    Object.entries(evaluation.values).filter(([, value]) => typeof value === 'number'),
  ),
});
