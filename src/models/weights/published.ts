/** Sources of published weights, with the checksums that are known. */

export interface PublishedFile {
  /** File name, also used in messages. */
  readonly file: string;
  /** Direct download URL; null if the file can only be reached through a web page. */
  readonly url: string | null;
  readonly page?: string;
  readonly sha256?: string;
  readonly md5?: string;
  readonly bytes?: number;
  readonly holds: string;
}

const heibox = 'https://heibox.uni-heidelberg.de';

/** Files from which LPIPS is assembled. */
export const lpipsFiles: { readonly weightings: PublishedFile; readonly vgg: PublishedFile } = {
  weightings: {
    file: 'vgg.pth',
    url: `${heibox}/f/607503859c864bc1b30b/?dl=1`,
    sha256: 'a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868',
    md5: 'd507d7349b931f0638a25a48a722f98a',
    bytes: 7289,
    holds: 'the linear layers of LPIPS version 0.1 for VGG16',
  },
  vgg: {
    file: 'vgg16-397923af.pth',
    url: 'https://download.pytorch.org/models/vgg16-397923af.pth',
    sha256: '397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0',
    bytes: 553_433_881,
    holds: "torchvision's VGG16, trained on ImageNet",
  },
};

/** Models of the reference and of latent diffusion. Their publishers do not provide checksums. */
export const publishedModels: readonly PublishedFile[] = [
  ['vqgan_imagenet_f16_1024', `${heibox}/d/8088892a516d4e3baf92/`, 'VQModel f16, 1,024 codes, ImageNet'],
  ['vqgan_imagenet_f16_16384', `${heibox}/d/a7530b09fed84f80a887/`, 'VQModel f16, 16,384 codes, ImageNet'],
  ['vqgan_gumbel_f8', `${heibox}/d/2e5662443a6b4307b470/`, 'GumbelVQ f8, 8,192 codes, OpenImages'],
  ['sflckr', `${heibox}/d/73487ab6e5314cb5adba/`, 'transformer for landscapes from segmentation maps'],
  ['cin_transformer', 'https://k00.fr/s511rwcv', 'class-conditional transformer, ImageNet'],
  ['ffhq_transformer', 'https://k00.fr/yndvfu95', 'unconditional transformer, FFHQ'],
  ['celebahq_transformer', 'https://k00.fr/2xkmielf', 'unconditional transformer, CelebA-HQ'],
  ['ade20k_transformer', 'https://k00.fr/ot46cksa', 'transformer for ADE20K segmentation maps'],
  ['coco_transformer', 'https://k00.fr/2zz6i2ce', 'transformer for COCO segmentation maps'],
  ['faceshq_transformer', 'https://k00.fr/qqfl2do8', 'unconditional transformer, faces'],
  ['drin_transformer', 'https://k00.fr/39jcugc5', 'depth-conditional transformer, ImageNet'],
  ['faceshq_vqgan', 'https://k00.fr/uxy5usa9', 'first stage of the faces transformer'],
  ['imagenet_vqgan', 'https://k00.fr/u0j2dtac', 'first stage of the ImageNet transformers'],
  ['depth_vqgan', 'https://k00.fr/55rlxs6i', 'first stage for depth maps'],
  ['coco_8k_vqgan', `${heibox}/f/78dea9589974474c97c1/`, 'first stage for scene images, COCO'],
  [
    'coco_oi_8k_vqgan',
    `${heibox}/f/461d9a9f4fcf48ab84f4/`,
    'first stage for scene images, COCO and OpenImages',
  ],
].map(([file, page, holds]) => ({
  file: file!,
  url: null,
  page: page!,
  holds: holds!,
  ...(file === 'sflckr' && { bytes: 4_263_525_412 }),
}));

/**
 * VQ models published by latent diffusion, with their URLs and contents. This package does not download them.
 */
export const latentDiffusionFiles: readonly PublishedFile[] = [
  ['vq-f8-n256.zip', 'VQModel f8, 256 codes'],
  ['vq-f8.zip', 'VQModel f8, 16,384 codes'],
].map(([file, holds]) => ({
  file: file!,
  url: `https://ommer-lab.com/files/latent-diffusion/${file}`,
  holds: `${holds} of latent diffusion`,
}));
