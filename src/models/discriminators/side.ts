/** @throws RangeError if the side of images cannot be halved down to 4 */
export function checkSide(owner: string, imageSize: number): void {
  if (imageSize >= 8 && Number.isInteger(Math.log2(imageSize))) return;
  throw new RangeError(
    `${owner}: imageSize must be a power of two from 8, got ${imageSize}: use such images, or another discriminator, ` +
      'such as MaskBitDiscriminator',
  );
}
