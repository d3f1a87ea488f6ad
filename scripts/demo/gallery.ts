// The page of the synthesis demo, its images, and the JSON file of its metrics.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import {
  saveImageGrid,
  torch,
  writePage,
  type ImageGridOptions,
  type PageBlock,
  type Tensor,
} from 'tessera-torch';
import { FIGURES, type Kind } from './options.js';

/** A measured value, with the value that it should reach. */
export interface DemoFigure {
  name: string;
  value: number;
  /** The value as text, with its unit. */
  text: string;
  /** Value that it should reach; undefined if it is only stated. */
  aim?: string;
  reached?: boolean;
  note?: string;
}

/** Section of the page, made by a kind of synthesis. */
export interface Section {
  title: string;
  blocks: PageBlock[];
  figures: DemoFigure[];
}

/** Formats a value with the number of decimals that are printed. */
const rounded = (value: number, digits = 3) => value.toFixed(digits);

/** Returns a value that is only stated. */
export const stated = (name: string, value: number, unit = '', note?: string): DemoFigure => ({
  name,
  value,
  text: `${rounded(value)}${unit}`,
  ...(note !== undefined && { note }),
});

/** Returns a value that should be at least `aim`. */
export const atLeast = (name: string, value: number, aim: number, note = ''): DemoFigure => ({
  name,
  value,
  text: rounded(value),
  aim: `at least ${aim}`,
  reached: value >= aim,
  note,
});

/** Writes images [N, C, H, W] as `NAME.png`, with their pixels enlarged, and returns them as a block of the page. */
export async function picture(
  out: string,
  name: string,
  images: Tensor,
  caption: string,
  options: ImageGridOptions = {},
): Promise<PageBlock> {
  const path = join(out, 'pictures', `${name}.png`);
  mkdirSync(join(out, 'pictures'), { recursive: true });
  await saveImageGrid(path, images, { columns: 8, scale: 2, ...options });
  return { kind: 'picture', path, caption };
}

/** Colours of the labels of a segmentation: sky, sun, hills, ground, tree, building, vehicle, animal. */
const colours = [
  [140, 190, 240],
  [255, 220, 60],
  [150, 140, 170],
  [110, 150, 120],
  [170, 190, 110],
  [30, 110, 50],
  [190, 80, 60],
  [70, 70, 200],
  [230, 130, 200],
];

/** Returns segmentations [N, 9, H, W] as images [N, 3, H, W], a colour for each label. */
export function colourLabels(maps: Tensor): Tensor {
  return torch.scope(() => {
    const palette = torch.tensor(colours).to('float32').div(127.5).sub(1); // [9, 3]
    return torch.embedding(palette, maps.argmax(1)).permute([0, 3, 1, 2]).contiguous();
  });
}

/** Returns an SVG document as an image [1, 3, height, width]. */
export async function svgPicture(svg: string): Promise<Tensor> {
  const { data, info } = await sharp(Buffer.from(svg))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return torch.scope(() => {
    const bytes = torch.tensor(new Uint8Array(data)).view([1, info.height, info.width, 3]);
    return bytes.permute([0, 3, 1, 2]).to('float32').div(127.5).sub(1).contiguous();
  });
}

export interface GalleryFacts {
  lead: string;
  /** Written to the JSON file. */
  facts: Record<string, unknown>;
}

/** Writes `gallery.html`, and the metrics as JSON, with the sections so far; returns the page's path. */
export async function writeGallery(
  out: string,
  sections: ReadonlyMap<Kind, Section>,
  { lead, facts }: GalleryFacts,
): Promise<string> {
  const page = join(out, 'gallery.html');
  const rowOf = ({ name, text: value, aim, note, reached }: DemoFigure) => ({
    name,
    value,
    note: [note, aim && `aim: ${aim}`].filter(Boolean).join('; '),
    ...(reached !== undefined && { reached }),
  });
  await writePage(page, {
    title: 'Synthesis from conditions, learnt on this machine',
    lead,
    sections: [...sections.values()].map(({ title, blocks, figures }) => ({
      title,
      blocks: [
        ...blocks,
        ...(figures.length > 0 ? [{ kind: 'figures', figures: figures.map(rowOf) } as const] : []),
      ],
    })),
  });
  const figures = Object.fromEntries([...sections].map(([kind, section]) => [kind, section.figures]));
  writeFileSync(join(out, FIGURES), `${JSON.stringify({ ...facts, figures }, null, 2)}\n`);
  return page;
}
