/** The package's own folder and version. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { textOf } from './look.js';

const NAME = 'tessera-torch';

/** How to keep the package out of a bundle. */
const EXTERNAL: readonly string[] = [
  `esbuild, Bun   --external:${NAME}`,
  `Rollup         external: ['${NAME}']`,
  `webpack        externals: { '${NAME}': 'commonjs ${NAME}' }`,
  `Vite           ssr: { external: ['${NAME}'] }, build: { rollupOptions: { external: ['${NAME}'] } }`,
  `Next.js        serverExternalPackages: ['${NAME}']`,
];

/** Defined only in a bundle made by webpack. */
declare const __webpack_require__: unknown;

let root: string | null = null;

/**
 * Returns the folder with package.json, which is two levels above this file, in src/files/ as in dist/chunks/.
 * @throws Error with the setting to change if a bundler has put this file elsewhere
 */
export function packageRoot(): string {
  // A separate constant: bundlers treat `new URL('…', import.meta.url)` as an asset to copy.
  const here = import.meta.url as string | undefined;
  // webpack replaces `import.meta.url` with the address that the file had before bundling.
  return (root ??= rootAbove(typeof __webpack_require__ === 'function' ? undefined : here));
}

/**
 * Returns the package's folder, found from the address of this file.
 * @throws Error if the address does not lead there, because this file is in a bundle
 */
export function rootAbove(here: string | undefined): string {
  if (here?.startsWith('file:')) {
    const folder = fileURLToPath(new URL('../../', here));
    const { name } = JSON.parse(textOf(join(folder, 'package.json')) ?? '{}') as { name?: string };
    if (name === NAME) return folder;
  }
  throw new Error(
    `${NAME} was put into a bundle${here === undefined ? '' : ` (${here})`}, where it finds neither its addon nor its ` +
      `other files. Mark it external:\n${EXTERNAL.map((line) => `  ${line}`).join('\n')}`,
  );
}

/** Returns the package's version, such as `0.1.0`; `unknown` if its package.json has none. */
export function packageVersion(root = packageRoot()): string {
  const { version = 'unknown' } = JSON.parse(textOf(join(root, 'package.json')) ?? '{}') as {
    version?: string;
  };
  return version;
}
