import type { BoundingBox } from './boxes.js';

/** Properties of an object. A property counts as given to the model only if it is exactly `true`, not COCO's 1. */
export interface ObjectFlags {
  /** It is a group of such objects. */
  isGroupOf?: boolean | number | null;
  /** Something in front covers a part of it. */
  isOccluded?: boolean | number | null;
  /** It is a picture of such an object. */
  isDepiction?: boolean | number | null;
  /** It is seen from inside. */
  isInside?: boolean | number | null;
}

/** An object of an image. */
export interface ObjectAnnotation extends ObjectFlags {
  /** Number of its class, from 0. */
  categoryNo: number;
  bbox: BoundingBox;
}

/** Properties with their bit in an object's id and their word. */
export const objectFlags = [
  ['isGroupOf', 1, 'group'],
  ['isOccluded', 2, 'occluded'],
  ['isDepiction', 4, 'depiction'],
  ['isInside', 8, 'inside'],
] as const satisfies readonly (readonly [keyof ObjectFlags, number, string])[];

/** Returns the properties of an object in brackets, such as `(group,inside)`, or `(g,i)` if `short`; '' without any. */
export function additionalParametersString(flags: ObjectFlags, short = true): string {
  const words = objectFlags.flatMap(([name, , word]) => (flags[name] ? [short ? word[0]! : word] : []));
  return words.length > 0 ? `(${words.join(',')})` : '';
}
