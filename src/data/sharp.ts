import type Sharp from 'sharp';
import type { Picture } from './picture.js';

/** Loads sharp at its first use, so that importing the package stays cheap for programs that bring their own images. */
export async function loadSharp(): Promise<typeof Sharp> {
  return (await import('sharp')).default;
}

/** Returns RGB pixels as an image of sharp. */
export async function sharpOf({ pixels, width, height }: Picture): Promise<ReturnType<typeof Sharp>> {
  return (await loadSharp())(pixels, { raw: { width, height, channels: 3 } });
}
