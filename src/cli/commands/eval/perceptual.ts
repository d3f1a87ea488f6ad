/** Opens LPIPS from the files that `--lpips` names. */
import { shownPath } from '../../../files/file-names.js';
import { isFile } from '../../../files/look.js';
import { weightsHash } from '../../../metrics/extract.js';
import { lpipsMetric } from '../../../metrics/lpips.js';
import type { Protocol } from '../../../metrics/protocol.js';
import { LPIPS } from '../../../models/losses/lpips.js';
import { collectLpips, publishedLpips } from '../../../models/weights/lpips.js';
import type { Device } from '../../../torch/index.js';
import { loadCheckpoint, type Checkpoint } from '../../../torch/io/index.js';
import { UsageError } from '../../usage-error.js';

/** Value of `--lpips` that stands for the weights that `setup` has installed. */
const INSTALLED = 'installed';

/**
 * Returns LPIPS with the weights of one or several files, which together have all of them.
 *
 * @throws UsageError for a file that does not exist, and for files that lack weights
 */
export async function openLpips(files: readonly string[], device: Device): Promise<LPIPS> {
  if (files.includes(INSTALLED)) {
    if (files.length > 1) throw new UsageError(`--lpips ${INSTALLED} has all weights; name no other file`);
    return (await publishedLpips()).eval().to(device);
  }
  const absent = files.find((file) => !isFile(file));
  if (absent !== undefined) {
    throw new UsageError(
      `--lpips: there is no file ${shownPath(absent)}; name the weights of LPIPS, or "${INSTALLED}" for those that ` +
        'tessera-torch setup --weights lpips has installed',
    );
  }
  const open: Checkpoint[] = [];
  try {
    for (const file of files) open.push(await loadCheckpoint(file));
    return filled(open, files).eval().to(device);
  } finally {
    for (const checkpoint of open) checkpoint.close();
  }
}

function filled(open: readonly Checkpoint[], files: readonly string[]): LPIPS {
  const { tensors, missing } = collectLpips(open.map((checkpoint) => checkpoint.tensors));
  if (tensors === null) {
    throw new UsageError(
      `--lpips: ${files.map(shownPath).join(', ')} ${files.length === 1 ? 'lacks' : 'lack'} ${missing.length} tensors of LPIPS, such as ` +
        `${missing[0]}; name the files of the others, too: torchvision's VGG16 (vgg16-397923af.pth), the weightings ` +
        '(vgg.pth), or one that has both',
    );
  }
  const lpips = new LPIPS();
  lpips.loadStateDict(tensors);
  return lpips;
}

/** Returns the conditions that values of an LPIPS depend on. */
export function lpipsProtocol(lpips: LPIPS): Protocol {
  const { name, protocol } = lpipsMetric;
  const own = Object.entries(protocol).map(([key, value]) => [`${name}.${key}`, value] as const);
  return { ...Object.fromEntries(own), [`${name}.weights`]: `sha256 ${weightsHash(lpips)}` };
}
