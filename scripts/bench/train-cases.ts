import { backbones, type BackboneConfig } from 'tessera-torch';

export type TrainPrecision = 'float32' | 'bfloat16';

/** Case that train.ts measures; all arms get it as JSON. */
export interface TrainCase {
  name: string;
  batch: number;
  /** Steps in one measurement: short ones are taken several at a time. */
  steps: number;
  /** First stage: side of the images in pixels, number and width of the codes, and the backbone. */
  vqgan?: { side: number; codes: number; width: number; backbone: BackboneConfig };
  /** Second stage: sizes of the GPT, and length of its sequences. */
  gpt?: { layers: number; width: number; tokens: number };
  /** Python's arms, each with the most of its time that we aim at, by precision; null is reported only. */
  theirs: Readonly<Record<string, Readonly<Record<TrainPrecision, number | null>>>>;
}

/** What an arm is started with, as JSON. */
export interface TrainSetting extends Omit<TrainCase, 'theirs'> {
  precision: TrainPrecision;
  /** Which of `theirs` Python's arm is; absent for ours. */
  arm?: string;
}

const smallBackbone: BackboneConfig = {
  doubleZ: false,
  zChannels: 64,
  resolution: 64,
  inChannels: 3,
  outCh: 3,
  ch: 64,
  chMult: [1, 1, 2],
  numResBlocks: 2,
  attnResolutions: [16],
};

export const trainCases: readonly TrainCase[] = [
  {
    name: 'small VQGAN',
    batch: 8,
    steps: 1,
    vqgan: { side: 64, codes: 512, width: 64, backbone: smallBackbone },
    theirs: { reference: { float32: 0.78, bfloat16: 0.8 }, tuned: { float32: 0.93, bfloat16: 0.97 } },
  },
  {
    name: 'f16 VQGAN',
    batch: 1,
    steps: 1,
    vqgan: { side: 128, codes: 1024, width: 256, backbone: backbones.f16 },
    theirs: { reference: { float32: 0.73, bfloat16: 0.72 }, tuned: { float32: 0.94, bfloat16: 0.95 } },
  },
  {
    name: 'GPT 8 × 256',
    batch: 8,
    steps: 1,
    gpt: { layers: 8, width: 256, tokens: 256 },
    theirs: { tuned: { float32: 0.97, bfloat16: null } },
  },
  {
    name: 'GPT 4 × 128, tiny',
    batch: 4,
    steps: 10,
    gpt: { layers: 4, width: 128, tokens: 64 },
    theirs: { tuned: { float32: 0.9, bfloat16: null } },
  },
];
