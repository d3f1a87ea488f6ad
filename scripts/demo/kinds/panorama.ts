// Images larger than those that were learnt from: a window slides over the segmentation of a wide scene of a class.
import { sampleWindowed, torch, type Scene, type Several, type Tensor } from 'tessera-torch';
import { colourLabels, picture, type Section } from '../gallery.js';
import { labels, size, stride } from '../models.js';
import { wide } from '../scenes.js';
import { seeded, type Studio } from '../studio.js';

/** Draws a panorama for each wide held-out scene. */
export async function drawPanoramas(studio: Studio): Promise<Section> {
  const { out, scenes, panorama: net } = studio;
  if (!net) throw new Error('the transformer of panoramas has not been trained');
  const several = net.condition as Several;
  const blocks = [];
  for (const [i, scene] of scenes.panoramas.entries()) {
    const map = mapOf(scene); // [1, 9, 256, 1024]
    const [ofClass, codesOfMap] = several.encodeParts([torch.tensor([BigInt(scene.classIndex)]), map]);
    const grid = codesOfMap!.view([1, wide.height / stride, wide.width / stride]);
    const codes = sampleWindowed(net, [ofClass!, grid], { topP: 0.9, generator: seeded(i) }); // [1, 64, 256]
    const drawn = torch.noGrad(() => net.firstStageModel.decodeIndices(codes)); // [1, 3, 256, 1024]
    const rows = torch.cat([colourLabels(map), drawn, imageOf(scene)]);
    const caption =
      `${wide.width} × ${wide.height} pixels: the segmentation of a wide held-out scene, the image drawn for it and the class “${scene.className}” through a ` +
      `window of ${size} × ${size} pixels, and the original.`;
    blocks.push(await picture(out, `panorama-${i}`, rows, caption, { columns: 1, scale: 1 }));
    await new Promise(setImmediate);
  }
  return { title: 'Panorama', blocks, figures: [] };
}

const mapOf = ({ segmentation, width, height }: Scene): Tensor =>
  torch.scope(() => {
    const numbers = torch.tensor(segmentation).view([1, height, width]).long();
    return torch.oneHot(numbers, labels).permute([0, 3, 1, 2]).to('float32').contiguous();
  });

const imageOf = ({ image, width, height }: Scene): Tensor =>
  torch.scope(() => {
    const bytes = torch.tensor(image).view([1, height, width, 3]);
    return bytes.permute([0, 3, 1, 2]).to('float32').div(127.5).sub(1).contiguous();
  });
