// Low resolution → image: details are drawn that an image of 16 × 16 pixels has lost.
import { ImageSampler, lowResolution, psnr, torch, type Tensor } from 'tessera-torch';
import { picture, stated, type Section } from '../gallery.js';
import { size } from '../models.js';
import { average, grid, inParts, openTransformer, seeded, type Studio } from '../studio.js';

/** Draws samples for held-out scenes in low resolution, and compares how well they fit their own and another one. */
export async function drawSuperResolution(studio: Studio): Promise<Section> {
  const { out, scenes, quick } = studio;
  const net = await openTransformer(studio, 'superResolution');
  const count = quick ? 32 : 128;
  const { image, fields } = await scenes.whole.heldOut.readExamples([...Array(count).keys()], ['lr']);
  const low = fields['lr']!;
  const draw = async (seed: number, given: Tensor) => {
    using sampler = new ImageSampler(net, { topK: 100, generator: seeded(seed) });
    return inParts(given, 32, (part) => sampler.sample(net.encodeToC(part).indices, { grid }));
  };
  const samples = await draw(1, low);
  const others = await draw(2, low.narrow(0, 0, 8));
  const first = (images: Tensor) => images.narrow(0, 0, 8);
  const rows = torch.cat([first(low), first(samples), others, first(image)]);
  const decibels = (images: Tensor, target: Tensor) => average(psnr(images, target));
  const made = lowResolution(samples);
  const caption =
    `Held-out scenes of ${size / 4} × ${size / 4} pixels, enlarged (first row), two samples of ${size} × ${size} pixels for ` +
    'each, and the original scenes (last row).';
  return {
    title: 'Super-resolution',
    blocks: [await picture(out, 'super-resolution', rows, caption)],
    figures: [
      stated(
        'samples made small again, PSNR to what was given',
        decibels(made, low),
        ' dB',
        `${count} images; to another scene’s ${decibels(made, torch.roll(low, [1], [0])).toFixed(2)} dB`,
      ),
      stated('samples, PSNR to the original', decibels(samples, image), ' dB'),
      stated('low resolution, PSNR to the original', decibels(low, image), ' dB'),
    ],
  };
}
