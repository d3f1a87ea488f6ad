// Class → image: a grid of all classes, and whether their class is found in the samples.
import { ImageSampler, seasons, timesOfDay, torch, type Tensor } from 'tessera-torch';
import { atLeast, picture, stated, type DemoFigure, type Section } from '../gallery.js';
import { accuracyOf, labelsOf } from '../labeller.js';
import { classNames } from '../scenes.js';
import { grid, inParts, labellerOf, openTransformer, seeded, type Studio } from '../studio.js';

const scale = 3;

/** Draws samples of all classes with and without guidance. */
export async function drawClasses(studio: Studio): Promise<Section> {
  const { out, quick } = studio;
  const { labeller, scores } = labellerOf(studio);
  const net = await openTransformer(studio, 'class');
  const each = quick ? 20 : 40;
  const classes = torch.scope(() => torch.arange(classNames.length).repeatInterleave(each)); // class by class
  const draw = async (guidance: number) => {
    using sampler = new ImageSampler(net, { topK: 256, guidance, generator: seeded(1) });
    return inParts(classes, 64, (part) => sampler.sample(net.encodeToC(part).indices, { grid }));
  };
  const [guided, plain] = [await draw(scale), await draw(1)];
  const [withIt, without] = [guided, plain].map((images) =>
    accuracyOf(labelsOf(labeller, images).classes, classes),
  ) as [number, number];
  const several = (images: Tensor, first: number) =>
    torch.cat(timesOfDay.map((_, row) => images.narrow(0, (first + row) * each, 10)));
  const blocks = [];
  for (const [i, season] of seasons.entries()) {
    const caption = `${season}, from top to bottom: ${timesOfDay.join(', ')}; drawn with guidance ${scale}.`;
    const samples = several(guided, i * timesOfDay.length);
    blocks.push(await picture(out, `class-${season}`, samples, caption, { columns: 10 }));
  }
  const note = `of ${classes.shape[0]} samples${quick ? ' (640 without --quick)' : ''}, ${classNames.length} classes`;
  return {
    title: 'Class → image',
    blocks,
    figures: [
      atLeast(
        'class found in samples, over chance',
        without * classNames.length,
        3,
        `${share(without)} ${note}`,
      ),
      gain(withIt, without, classes.shape[0]!),
      stated('class found, original scenes', scores.accuracy, '', 'of the labelling network, held-out'),
    ],
  };
}

const share = (of: number) => `${(100 * of).toFixed(1)}%`;

/** Returns by how many standard errors guidance makes classes clearer. */
function gain(withIt: number, without: number, count: number): DemoFigure {
  const variance = (p: number) => (p * (1 - p)) / count;
  const errors = (withIt - without) / Math.sqrt(variance(withIt) + variance(without));
  return {
    ...atLeast(
      `gain by guidance ${scale}, in standard errors`,
      errors,
      2,
      `class found in ${share(withIt)} instead of ${share(without)}`,
    ),
    aim: 'above 2',
    reached: errors > 2,
  };
}
