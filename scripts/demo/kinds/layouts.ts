// Layout → image: boxes of objects, and scenes drawn for them.
import {
  F,
  layoutSvg,
  sampleScene,
  sceneObjectClasses,
  torch,
  type LayoutStage,
  type Tensor,
} from 'tessera-torch';
import { picture, svgPicture, type Section } from '../gallery.js';
import { size } from '../models.js';
import { openTransformer, seeded, type Studio } from '../studio.js';

const samples = 4;

/** Draws scenes for the layouts of held-out scenes. */
export async function drawLayouts(studio: Studio): Promise<Section> {
  const { out, scenes } = studio;
  const net = await openTransformer(studio, 'layout');
  const { builder } = net.condStageModel as LayoutStage;
  const count = 6;
  const { image, fields } = await scenes.whole.heldOut.readExamples([...Array(count).keys()], ['layout']);
  const rows: Tensor[] = [];
  for (const [i, [, ...objects]] of (fields['layout']!.tolist() as number[][][]).entries()) {
    const annotations = objects
      .filter(([category]) => category! >= 0)
      .map(([categoryNo, ...box]) => ({
        categoryNo: categoryNo!,
        bbox: box as [number, number, number, number],
      }));
    const tokens = builder.build(annotations);
    const svg = layoutSvg(builder, tokens, { width: 2 * size, height: 2 * size, names: sceneObjectClasses });
    const codes = sampleScene(net, annotations, builder, {
      count: samples,
      topK: 100,
      generator: seeded(i),
    });
    const drawn = torch.noGrad(() => net.firstStageModel.decodeIndices(codes));
    const pictures = torch.cat([drawn, image.narrow(0, i, 1)]);
    rows.push(await svgPicture(svg), F.interpolate(pictures, { scaleFactor: 2, mode: 'nearest' }));
    await new Promise(setImmediate);
  }
  const caption = `Layouts of held-out scenes (first column), ${samples} samples for each, and the original scenes (last column).`;
  const columns = samples + 2;
  return {
    title: 'Layout → image',
    blocks: [await picture(out, 'layout', torch.cat(rows), caption, { columns, scale: 1 })],
    figures: [],
  };
}
