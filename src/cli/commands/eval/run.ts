/** Implementation of `tessera-torch eval`, after the command line is parsed. Loads libtorch. */
import { shownPath } from '../../../files/file-names.js';
import { packageVersion } from '../../../files/package.js';
import { writeAtomically } from '../../../files/atomic-file.js';
import type { Evaluation } from '../../../metrics/evaluation.js';
import { loadInception, type InceptionV3 } from '../../../metrics/inception/inception.js';
import type { LPIPS } from '../../../models/losses/lpips.js';
import { evaluationCard } from '../../../reports/evaluation-card.js';
import type { Stage } from '../../../runs/config.js';
import { readConfig } from '../../../runs/folder.js';
import { deviceFor } from '../../../runs/open.js';
import { writing } from '../../images.js';
import { UsageError } from '../../usage-error.js';
import type { EvalFlags } from './command.js';
import { evaluateCodes } from './of-codes.js';
import { evaluateCopies } from './of-copies.js';
import { evaluateRun } from './of-run.js';
import { evaluateSet, openSet, type ImageSet } from './of-set.js';
import { openLpips } from './perceptual.js';
import { isModel } from './run-images.js';
import { readResults } from './results.js';

const isResult = (what: string) => what.toLowerCase().endsWith('.json');

/** Measures everything named, writes it, and prints it side by side. */
export async function evaluateAll(whats: readonly string[], flags: EvalFlags): Promise<void> {
  if (flags.saveFeatures !== undefined && whats.length > 1) {
    throw new UsageError('--save-features writes the features of one folder; name one');
  }
  expectCopies(whats, flags);
  const evaluating = new Evaluating(flags);
  const results: Evaluation[] = [];
  for (const what of whats) {
    const found = isResult(what) ? await readResults(what) : [await evaluating.measured(what)];
    results.push(...found);
    if (flags.json) for (const result of found) process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  if (flags.out !== undefined) {
    const { out } = flags;
    const text = `${JSON.stringify({ version: packageVersion(), evaluations: results }, null, 2)}\n`;
    await writing(out, () => writeAtomically(out, text));
  }
  const card = evaluationCard(results); // Also checks that they are alike.
  if (!flags.json && !flags.quiet) process.stdout.write(`${card}\n`);
}

const OF_COPIES = ['training', 'heldOut', 'samples', 'seed', 'neighbours'] as const;

/** @throws UsageError for flags of `--copies` without it, and for several folders or runs with it */
function expectCopies(whats: readonly string[], flags: EvalFlags): void {
  if (flags.copies === undefined) {
    const stray = OF_COPIES.find((name) => flags[name] !== undefined);
    if (stray === undefined) return;
    const name = stray === 'heldOut' ? 'held-out' : stray;
    throw new UsageError(
      `--${name} is for the image of the nearest training images: name its file with --copies`,
    );
  }
  if (whats.length > 1) throw new UsageError('--copies writes the image of one folder or run; name one');
  if (!isResult(whats[0]!)) return;
  throw new UsageError(`--copies: ${shownPath(whats[0]!)} has results, not images; name a folder or a run`);
}

/** Returns the stage to measure: `--stage`, or else the one that a run has trained, or the first stage of a file. */
async function stageOf(what: string, { stage, config }: EvalFlags): Promise<Stage> {
  return stage ?? (config === undefined ? (await readConfig(what)).stage : 'vqgan');
}

/** The network and the reference, which are opened once for everything that is measured. */
class Evaluating {
  readonly #flags: EvalFlags;
  #network: InceptionV3 | null = null;
  #lpips: LPIPS | null = null;
  #reference: ImageSet | null = null;

  constructor(flags: EvalFlags) {
    this.#flags = flags;
  }

  async measured(what: string): Promise<Evaluation> {
    const flags = this.#flags;
    if (flags.copies !== undefined) return evaluateCopies(what, flags, await this.#inception());
    if (isModel(what, flags)) {
      if (flags.reference !== undefined) {
        throw new UsageError(
          `${shownPath(what)} is a model, whose reconstructions are compared with their originals; --reference is for folders of ` +
            'images: name the images to reconstruct with --images',
        );
      }
      if ((await stageOf(what, flags)) === 'transformer') return evaluateCodes(what, flags);
      return evaluateRun(what, flags, {
        inception: await this.#inception(),
        lpips: await this.#perceptual(),
      });
    }
    if (flags.images !== undefined) {
      throw new UsageError(`${shownPath(what)} is not a run; --images names images for a run to reconstruct`);
    }
    if (flags.lpips !== undefined) {
      throw new UsageError(
        `${shownPath(what)} is not a run; --lpips compares reconstructions with their originals: leave it out`,
      );
    }
    const set = await openSet(what, flags, await this.#inception());
    if (flags.reference === undefined && flags.saveFeatures === undefined) {
      throw new UsageError(
        `${shownPath(what)} is not a run; name the real images to compare it with: --reference`,
      );
    }
    if (flags.reference === undefined) return { what, values: {}, protocol: set.protocol };
    this.#reference ??= await openSet(flags.reference, { ...flags, saveFeatures: undefined }, this.#network);
    return evaluateSet(what, set, this.#reference);
  }

  /** Returns FID's Inception, or null without `--features`. */
  async #inception(): Promise<InceptionV3 | null> {
    const { features, device } = this.#flags;
    if (features === undefined) return null;
    this.#network ??= (await loadInception(features)).to(deviceFor(device));
    return this.#network;
  }

  /** Returns LPIPS, or null without `--lpips`. */
  async #perceptual(): Promise<LPIPS | null> {
    const { lpips, device } = this.#flags;
    if (lpips === undefined) return null;
    this.#lpips ??= await openLpips(lpips, deviceFor(device));
    return this.#lpips;
  }
}
