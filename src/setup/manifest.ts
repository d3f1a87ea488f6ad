import type { Flavor } from './locate.js';

/** One file that libtorch can be unpacked from. */
export interface Archive {
  file: string;
  kind: 'zip' | 'wheel';
  platform: string;
  flavor: Flavor;
  version: string;
  sha256: string;
  /** Size of the file itself. */
  bytes: number;
  /** Size of the unpacked libraries and headers, rounded up. */
  unpackedBytes: number;
  /** Direct address; a wheel without one is downloaded through pip. */
  url?: string;
  /** The requirement for pip, and the index to use besides the user's own. */
  pip?: { requirement: string; index: string; python: string };
}

const MB = 1e6;

/**
 * All files that the set-up accepts, in the order in which they are tried. PyTorch publishes no checksums for its
 * zip files; those here were computed once and are pinned. A file that differs is refused.
 */
export const ARCHIVES: Archive[] = [
  {
    file: 'libtorch-shared-with-deps-2.13.0+cpu.zip',
    kind: 'zip',
    platform: 'linux-x64',
    flavor: 'cpu',
    version: '2.13.0',
    sha256: 'edbf4cbed78433d803e90a65f1752e57783d164bce66c95c0872b2ab8f5c159e',
    bytes: 126_385_248,
    unpackedBytes: 480 * MB,
    url: 'https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-2.13.0%2Bcpu.zip',
  },
  {
    file: 'torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl',
    kind: 'wheel',
    platform: 'linux-x64',
    flavor: 'cpu',
    version: '2.13.0',
    sha256: '6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b',
    bytes: 191_794_682,
    unpackedBytes: 480 * MB,
    pip: {
      requirement: 'torch==2.13.0+cpu',
      index: 'https://download.pytorch.org/whl/cpu',
      python: '3.11',
    },
  },
  {
    // No address: it contains only torch's own libraries, so it works only if CUDA and cuDNN are on the library path.
    file: 'libtorch-shared-with-deps-2.13.0+cu130.zip',
    kind: 'zip',
    platform: 'linux-x64',
    flavor: 'cuda',
    version: '2.13.0',
    sha256: '945c5a3d946a28b387ad9dc9fddda7ba03e35fae1375b84ebff15df789436f82',
    bytes: 500_687_821,
    unpackedBytes: 1_200 * MB,
  },
  {
    file: 'torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl',
    kind: 'wheel',
    platform: 'linux-x64',
    flavor: 'cuda',
    version: '2.14.1',
    sha256: '305a61f61f35f128579f299c5bd33d475f6a01c6307336139632e30856c4854d',
    bytes: 554_581_699,
    // With NVIDIA's libraries (3.2 GB) and, while installing, their wheels (2.2 GB).
    unpackedBytes: 6_600 * MB,
    pip: {
      requirement: 'torch==2.14.1',
      index: 'https://download.pytorch.org/whl/cu130',
      python: '3.11',
    },
  },
];

/** Returns the archives for one platform and flavour, in the order in which to try them. */
export function archivesFor(platform: string, flavor: Flavor): Archive[] {
  return ARCHIVES.filter((archive) => archive.platform === platform && archive.flavor === flavor);
}
