/**
 * Layouts recorded from the reference (CompVis/taming-transformers 3ba01b2, PyTorch 2.13.0, CPU, float64; weights stored
 * as float16) in `tests/fixtures/layout.json.gz` and `layout.safetensors`. Shuffling was off.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import {
  ObjectsBoundingBoxConditionalBuilder,
  ObjectsCenterPointsConditionalBuilder,
} from '../../../../src/models/conditions/layout/builder.js';
import type { ObjectAnnotation } from '../../../../src/models/conditions/layout/annotation.js';
import type { BoundingBox } from '../../../../src/models/conditions/layout/boxes.js';
import type { CocoFile } from '../../../../src/models/conditions/layout/coco.js';

export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url));

type Flags = 'is_group_of' | 'is_occluded' | 'is_depiction' | 'is_inside';
interface Annotation extends Record<Flags, boolean | 1 | null> {
  category_no: number;
  bbox: BoundingBox;
}
interface Settings {
  no_object_classes: number;
  no_max_objects: number;
  no_tokens: number;
  encode_crop: boolean;
  use_group_parameter: boolean;
  use_additional_parameters: boolean;
}
export type Kind = 'objects_center_points' | 'objects_bbox';
interface Derived {
  none: number;
  sections: number;
  embeddingDim: number;
  descriptorLength: number;
}
interface Case {
  builder: number;
  kind: Kind;
  annotations: Annotation[];
  crop: BoundingBox | null;
  flip: boolean;
  tokens: number[];
}

export const recorded = JSON.parse(gunzipSync(readFileSync(fixture('layout.json.gz'))).toString()) as {
  builders: (Settings & { derived: Record<Kind, Derived> })[];
  cases: (Case & {
    inverse: [number, number[]][];
    inverseCrop: BoundingBox | null;
    decoded: (Record<Flags, boolean> & { category_no: number })[];
  })[];
  shuffled: Case & { order: number[] };
  utils: {
    tokenize: [x: number, y: number, token: number, back: [number, number]][];
    rects: BoundingBox[];
    intersection: number[][];
    flip: BoundingBox[];
    absolute: number[][];
    centerCrop: [width: number, height: number, box: BoundingBox][];
    rescaled: { crop: BoundingBox; flip: boolean; boxes: BoundingBox[] }[];
    additional: [flags: boolean[], short: string, long: string][];
  };
  coco: {
    instances: CocoFile;
    stuff: CocoFile;
    runs: {
      use_things: boolean;
      use_stuff: boolean;
      minObjects: number;
      maxObjects: number;
      minArea: number;
      categoryIds: string[];
      imageIds: string[];
      annotations: Record<
        string,
        { id: number; category_no: number; bbox: BoundingBox; area: number; is_group_of: number }[]
      >;
      noClasses: number;
      tokens: Record<string, number[]>;
    }[];
  };
  windows: {
    name: string;
    kind: Kind;
    annotations: Annotation[];
    shape: [number, number];
    crops: BoundingBox[];
    builder: Settings;
    window: number;
  }[];
};

const builders = {
  objects_center_points: ObjectsCenterPointsConditionalBuilder,
  objects_bbox: ObjectsBoundingBoxConditionalBuilder,
};

/** Returns the recorded builder, without shuffling unless asked. */
export function builderOf(
  kind: Kind,
  settings: Settings,
  shuffle = false,
): ObjectsCenterPointsConditionalBuilder | ObjectsBoundingBoxConditionalBuilder {
  return new builders[kind]({
    noObjectClasses: settings.no_object_classes,
    noMaxObjects: settings.no_max_objects,
    noTokens: settings.no_tokens,
    encodeCrop: settings.encode_crop,
    useGroupParameter: settings.use_group_parameter,
    useAdditionalParameters: settings.use_additional_parameters,
    shuffle,
  });
}

export function annotationOf(recordedOne: Annotation): ObjectAnnotation {
  return {
    categoryNo: recordedOne.category_no,
    bbox: recordedOne.bbox,
    isGroupOf: recordedOne.is_group_of,
    isOccluded: recordedOne.is_occluded,
    isDepiction: recordedOne.is_depiction,
    isInside: recordedOne.is_inside,
  };
}
