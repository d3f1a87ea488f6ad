/** Layouts from COCO's annotation files. */
import { readFile } from 'node:fs/promises';
import { readConfig } from '../../../config/read.js';
import { count, flag, natural, notNegative, type Given } from '../../../config/schema.js';
import type { ObjectAnnotation } from './annotation.js';

/** What is read of an annotation file of COCO (`instances_train2017.json`, `stuff_train2017.json`). */
export interface CocoFile {
  images: readonly { id: number; file_name: string; width: number; height: number }[];
  categories: readonly { id: number; name: string }[];
  annotations: readonly {
    id: number;
    image_id: number;
    category_id: number;
    iscrowd: number;
    /** Left, upper edge, width and height in pixels. */
    bbox: readonly number[];
  }[];
}

/** Annotation files: paths, or what they contain. */
export interface CocoSources {
  /** Objects ("things"). Its list of images is that of the layouts. */
  instances: string | CocoFile;
  /** Areas ("stuff"), such as sky and grass; only read if `useStuff`. */
  stuff?: string | CocoFile | null;
}

const schema = {
  /** Read the objects. Default true. */
  useThings: flag(true),
  /** Read the areas. Default true. */
  useStuff: flag(true),
  /** Share of the image that an object's box must exceed. Default 0.00001. */
  minObjectArea: notNegative(0.00001),
  /** Images with fewer objects are left out. Default 2. */
  minObjectsPerImage: natural(2),
  /** Images with more objects are left out. Default 30. */
  maxObjectsPerImage: count(30),
};

export type CocoOptions = Given<typeof schema>;

/** An object of COCO. Its `isGroupOf` is the file's 0 or 1, so that layouts do not mark groups, as in the reference. */
export interface CocoAnnotation extends ObjectAnnotation {
  id: number;
  isGroupOf: number;
  /** Share of the image that its box covers. */
  area: number;
}

/** An image with its objects in the order of the files. */
export interface CocoImage {
  id: number;
  fileName: string;
  width: number;
  height: number;
  annotations: CocoAnnotation[];
}

/** Images with their layouts, in the order of their first annotation. */
export interface CocoLayouts {
  /** Classes; `categoryNo` is the place in this list. */
  categories: { id: string; name: string }[];
  images: CocoImage[];
}

/**
 * Reads the layouts of COCO's images as the reference does: classes are numbered in the order of their ids as text, the
 * class "other" is left out, objects come before areas.
 * @throws TypeError if `useStuff` without a file of areas, RangeError for an annotation of an image that is not listed
 *
 * @example
 * ```ts
 * const { categories, images } = await readCoco({
 *   instances: 'coco/annotations/instances_val2017.json',
 *   stuff: 'coco/annotations/stuff_val2017.json',
 * });
 * const builder = new ObjectsBoundingBoxConditionalBuilder({
 *   noObjectClasses: categories.length, noMaxObjects: 30, noTokens: 8192, encodeCrop: true, useGroupParameter: true,
 * });
 * const tokens = builder.build(images[0]!.annotations); // [92]
 * ```
 */
export async function readCoco(
  { instances, stuff }: CocoSources,
  options: CocoOptions = {},
): Promise<CocoLayouts> {
  const settings = readConfig(schema, options, 'readCoco');
  const { useThings, useStuff } = settings;
  if (useStuff && !stuff) {
    throw new TypeError('readCoco: pass the annotation file of areas as stuff, or useStuff: false.');
  }
  const things = await contentOf(instances);
  const files = [...(useThings ? [things] : []), ...(useStuff ? [await contentOf(stuff!)] : [])];
  const categories = categoriesOf(files);
  const images = annotate(things, files, new Map(categories.map(({ id }, i) => [id, i])));
  const kept = images.map(({ annotations, ...image }) => ({
    ...image,
    annotations: annotations.filter(({ area }) => area > settings.minObjectArea),
  }));
  const { minObjectsPerImage, maxObjectsPerImage } = settings;
  return {
    categories,
    images: kept.filter(
      ({ annotations: { length } }) => minObjectsPerImage <= length && length <= maxObjectsPerImage,
    ),
  };
}

async function contentOf(source: string | CocoFile): Promise<CocoFile> {
  if (typeof source !== 'string') return source;
  const content = JSON.parse(await readFile(source, 'utf8')) as Partial<CocoFile> | null;
  const { images, categories, annotations } = content ?? {};
  if (Array.isArray(images) && Array.isArray(categories) && Array.isArray(annotations)) {
    return content as CocoFile;
  }
  throw new TypeError(
    `readCoco: ${source} is not an annotation file of COCO: it needs the lists images, categories and annotations.`,
  );
}

function categoriesOf(files: readonly CocoFile[]): { id: string; name: string }[] {
  const names = new Map(
    files.flatMap(({ categories }) => categories.map(({ id, name }) => [String(id), name] as const)),
  );
  return [...names]
    .filter(([, name]) => name !== 'other')
    .map(([id, name]) => ({ id, name }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Returns the images that have annotations of known classes. */
function annotate(
  { images }: CocoFile,
  files: readonly CocoFile[],
  numbers: ReadonlyMap<string, number>,
): CocoImage[] {
  const known = new Map(images.map((image) => [image.id, image]));
  const found = new Map<number, CocoImage>();
  for (const { id, image_id: of, category_id: category, iscrowd, bbox } of files.flatMap(
    ({ annotations }) => annotations,
  )) {
    const image = known.get(of);
    if (!image) {
      throw new RangeError(
        `readCoco: annotation ${id} is of image ${of}, which is not among the ${known.size} images of instances; pass the files of one split.`,
      );
    }
    const categoryNo = numbers.get(String(category));
    if (categoryNo === undefined) continue;
    const { width, height, file_name: fileName } = image;
    const [x, y, w, h] = bbox as readonly [number, number, number, number];
    const box = [x / width, y / height, w / width, h / height] as const;
    const annotation = { id, categoryNo, bbox: box, area: box[2] * box[3], isGroupOf: iscrowd };
    const before = found.get(of);
    if (before) before.annotations.push(annotation);
    else found.set(of, { id: of, fileName, width, height, annotations: [annotation] });
  }
  return [...found.values()];
}
