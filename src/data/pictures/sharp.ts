import { createRequire } from 'node:module';
import type Sharp from 'sharp';
import type { Picture } from './picture.js';

let loaded: typeof Sharp | undefined;

/**
 * Loads sharp at its first use, so that importing the package stays cheap for programs that bring their own images. Not
 * with `import()`: a single one in the bundle makes tsx, which runs programs in TypeScript, rewrite all of it, for 90 MB.
 */
export async function loadSharp(): Promise<typeof Sharp> {
  return (loaded ??= createRequire(import.meta.url)('sharp') as typeof Sharp);
}

/** Returns RGB pixels as an image of sharp. */
export async function sharpOf({ pixels, width, height }: Picture): Promise<ReturnType<typeof Sharp>> {
  return (await loadSharp())(pixels, { raw: { width, height, channels: 3 } });
}
