export {
  batches,
  decodeImage,
  ImageDataError,
  ImageFolder,
  type ImageFolderOptions,
} from './image-folder.js';
export { imageGrid, saveImageGrid, type ImageGridOptions, type PackedImage } from './image-grid.js';
export {
  makeScene,
  sceneClassCount,
  sceneSplits,
  writeScenes,
  type Scene,
  type SceneFolderOptions,
} from './scenes.js';
export { layoutScene, type SceneLayout, type SceneObject, type SceneRequest } from './scene-layout.js';
export { sceneLabels, type RenderedScene, type SceneLabel } from './scene-render.js';
export { openSpriteSheet, SpriteSheet } from './scene-sprites.js';
export { seasons, timesOfDay, type Season, type TimeOfDay } from './scene-palette.js';
