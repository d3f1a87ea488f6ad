import type Sharp from 'sharp';

/** Loads sharp at its first use, so that importing the package stays cheap for programs that bring their own images. */
export async function loadSharp(): Promise<typeof Sharp> {
  return (await import('sharp')).default;
}
