import type { Condition, Stage } from './condition.js';

/**
 * Returns a condition on the codes of an image, such as a segmentation or depth map, encoded by a frozen first stage.
 *
 * @param field field of an example that holds the image
 */
export function encodedImage(stage: Stage, field: string): Condition {
  return {
    field,
    channels: stage.inChannels,
    encode: (image) => stage.encode(image),
    choices: () => `images of the field "${field}"`,
    parse: () => {
      throw new RangeError(
        `the condition "${field}" is an image, which cannot be given as text; pass its tensor to sampleImages`,
      );
    },
  };
}
