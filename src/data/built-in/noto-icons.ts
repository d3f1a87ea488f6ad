import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** Drawings of the Noto emoji (Apache-2.0), each the content of an SVG of 128 × 128. */
export interface NotoIcons {
  icons: Record<string, { body: string }>;
}

/**
 * Reads a JSON file of the icon package, which is not a dependency of this package: only the built-in images need it.
 * @param from module from which the package is resolved
 * @throws if the package is not installed
 */
export async function readNoto(file: 'icons' | 'metadata', from = import.meta.url): Promise<unknown> {
  let path: string;
  try {
    path = createRequire(from).resolve(`@iconify-json/noto/${file}.json`);
  } catch (cause) {
    throw new Error(
      'the built-in images are drawn with the Noto icons, but the package "@iconify-json/noto" is not installed. ' +
        'Install it with: npm install @iconify-json/noto',
      { cause },
    );
  }
  return JSON.parse(await readFile(path, 'utf8')) as unknown;
}
