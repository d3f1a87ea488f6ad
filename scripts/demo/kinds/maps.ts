// Segmentation → image and depth → image, measured by labelling the samples.
import { ImageSampler, torch, type Tensor } from 'tessera-torch';
import { atLeast, colourLabels, picture, stated, type Section } from '../gallery.js';
import { depthError, iouOf, labelsOf, type Labels } from '../labeller.js';
import { grid, inParts, labellerOf, openTransformer, seeded, type Studio } from '../studio.js';

export type MapKind = 'segmentation' | 'depth';

/** Errors of the samples' labels, given the maps. */
const errors = {
  segmentation: (found: Labels, map: Tensor) => 1 - iouOf(found.segmentation, map),
  depth: (found: Labels, map: Tensor) => depthError(found.depth, map),
};
const errorNames = { segmentation: '1 − mean IoU', depth: 'mean absolute error' };
const shown = { segmentation: colourLabels, depth: (maps: Tensor) => maps.repeat([1, 3, 1, 1]) };

/** Draws samples for held-out maps, and compares how well they fit their own map and another one. */
export async function drawMaps(studio: Studio, kind: MapKind): Promise<Section> {
  const { out, scenes, quick } = studio;
  const { labeller, scores } = labellerOf(studio);
  const net = await openTransformer(studio, kind);
  const count = quick ? 64 : 128;
  const rows = [...Array(count).keys()];
  const { image, fields } = await scenes.whole.heldOut.readExamples(rows, [kind]);
  const map = fields[kind]!;
  const draw = async (seed: number, maps: Tensor) => {
    using sampler = new ImageSampler(net, { topK: 100, guidance: 2, generator: seeded(seed) });
    return inParts(maps, 32, (part) => sampler.sample(net.encodeToC(part).indices, { grid }));
  };
  const samples = await draw(1, map);
  const others = await draw(2, map.narrow(0, 0, 8));

  const found = labelsOf(labeller, samples);
  const own = errors[kind](found, map);
  const shuffled = errors[kind](found, torch.roll(map, [1], [0]));
  const reconstructed = await inParts(image, 32, (part) =>
    net.firstStageModel.decodeIndices(codesOf(net, part)),
  );
  const limit = errors[kind](labelsOf(labeller, reconstructed), map);
  const first = (images: Tensor) => images.narrow(0, 0, 8);
  const grids = torch.cat([first(shown[kind](map)), first(samples), others, first(image)]);
  const name = errorNames[kind];
  const original = kind === 'segmentation' ? 1 - scores.meanIou : scores.depthError;
  return {
    title: kind === 'segmentation' ? 'Segmentation → image' : 'Depth → image',
    blocks: [
      await picture(
        out,
        kind,
        grids,
        `Held-out ${kind === 'segmentation' ? 'segmentations' : 'depth maps'} (first row), two samples for each, drawn ` +
          'with guidance 2, and the original scenes (last row).',
      ),
    ],
    figures: [
      atLeast(
        `${name}: another map's over its own`,
        shuffled / own,
        1.5,
        `${shuffled.toFixed(3)} over ${own.toFixed(3)}, ${count} conditions${quick ? ' (128 without --quick)' : ''}`,
      ),
      stated(`${name}, reconstructions`, limit, '', 'of the same scenes by the VQGAN'),
      stated(`${name}, original scenes`, original, '', 'of the labelling network, held-out'),
    ],
  };
}

/** Encodes images as a grid of codes [B, h, w]. */
const codesOf = (net: Awaited<ReturnType<typeof openTransformer>>, images: Tensor): Tensor =>
  net.encodeToZ(images).indices.view([-1, ...grid]);
