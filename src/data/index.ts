export { emojiClasses, writeEmoji, type EmojiFolderOptions } from './emoji.js';
export { coordinateMap } from './coordinates.js';
export { edgesOf } from './edges.js';
export { lowResolution, type LowResolution } from './low-resolution.js';
export { ImageDataError } from './image-error.js';
export { type OnError, type SkippedImage } from './image-files.js';
export { ImageSource, type Channels, type PictureStore } from './image-source.js';
export type { Example, ReadOptions, Squares } from './squares.js';
export { type LayoutKind, type PlacedObject } from './layout.js';
export { type MapKind, type MapKinds } from './example.js';
export {
  inOrder,
  Loader,
  type Batch,
  type InOrderOptions,
  type LoaderOptions,
  type LoaderPosition,
} from './loader.js';
export { openImages, type DataReport, type OpenedImages, type OpenImagesOptions } from './open-images.js';
export type { DataConfig } from './settings.js';
export { describeImages, inspectImages, type ImagesFound } from './inspect-images.js';
export { packImages, packStore, type PackOptions, type PackReport } from './pack-images.js';
export { isPacked, packedSize, PackedImages } from './packed-images.js';
export type { PackedEntry } from './packed-entries.js';
export type { PackIndex } from './packed-index.js';
export type { PackedFile } from './shard-writer.js';
export { type Picture, type View } from './picture.js';
export { readVectors, saveTextVectors, type TextEncoder, type VectorFile } from './vectors.js';
export { imageGrid, saveImageGrid, type ImageGridOptions, type PackedImage } from './image-grid.js';
export {
  makeScene,
  sceneClassCount,
  sceneObjectClasses,
  sceneObjects,
  sceneSplits,
  writeScenes,
  type Scene,
  type SceneFolderOptions,
} from './scenes.js';
export { layoutScene, type SceneLayout, type SceneObject, type SceneRequest } from './scene-layout.js';
export { sceneLabels, type RenderedScene, type SceneLabel } from './scene-render.js';
export { openSpriteSheet, SpriteSheet } from './scene-sprites.js';
export { seasons, timesOfDay, type Season, type TimeOfDay } from './scene-palette.js';
export type { Shard } from './shard.js';
