/** Encoders of images and conditions, made of the models of a second stage. */
import type { TwoStage } from '../../../models/two-stage.js';
import type { Tensor } from '../../../torch/index.js';
import type * as torch from '../../../torch/index.js';
import { keepingGenerators } from '../../engine/generators.js';
import { fieldsToEncode } from './check.js';
import type { Encoders } from './codes.js';

/** Returns encoders that leave the default generators as they are. */
export function encodersOf(net: TwoStage, device: torch.Device): Encoders {
  const { firstStageModel, condition } = net;
  const fields = fieldsToEncode(condition);
  const ofFields = (values: Tensor[]) =>
    keepingGenerators(device, () => net.encodeToC(condition.fields ? values : values[0]!).indices);
  return {
    encode: (images) => keepingGenerators(device, () => firstStageModel.encode(images).indices),
    condition: fields.length === 0 ? null : { fields, encode: ofFields },
  };
}
