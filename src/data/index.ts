export { emojiClasses, writeEmoji, type EmojiFolderOptions } from './built-in/emoji.js';
export { coordinateMap } from './fields/coordinates.js';
export { edgesOf } from './fields/edges.js';
export { lowResolution, type LowResolution } from './fields/low-resolution.js';
export { ImageDataError } from './image-error.js';
export { type OnError, type SkippedImage } from './files/image-files.js';
export { ImageSource, type Channels, type PictureStore } from './image-source.js';
export type { Example, ReadOptions, Squares } from './batches/squares.js';
export { type LayoutKind, type PlacedObject } from './fields/layout.js';
export { type MapKind, type MapKinds } from './fields/example.js';
export * from './batches/loader.js';
export { openImages, type DataReport, type OpenedImages, type OpenImagesOptions } from './open-images.js';
export type { DataConfig } from './settings.js';
export { describeImages, inspectImages, type ImagesFound } from './inspect-images.js';
export { packImages, packStore, type PackOptions, type PackReport } from './packed/pack-images.js';
export { isPacked, packedSize, PackedImages } from './packed/packed-images.js';
export type { PackedEntry } from './packed/packed-entries.js';
export type { PackIndex } from './packed/packed-index.js';
export type { PackedFile } from './packed/shard-writer.js';
export { type Picture, type View } from './pictures/picture.js';
export { readVectors, saveTextVectors, type TextEncoder, type VectorFile } from './fields/vectors.js';
export { imageGrid, saveImageGrid, type ImageGridOptions, type PackedImage } from './pictures/image-grid.js';
export * from './built-in/scenes.js';
export {
  layoutScene,
  type SceneLayout,
  type SceneObject,
  type SceneRequest,
} from './built-in/scene-layout.js';
export { sceneLabels, type RenderedScene, type SceneLabel } from './built-in/scene-render.js';
export { openSpriteSheet, SpriteSheet } from './built-in/scene-sprites.js';
export { seasons, timesOfDay, type Season, type TimeOfDay } from './built-in/scene-palette.js';
export type { Shard } from './batches/shard.js';
