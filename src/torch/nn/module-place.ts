import * as torch from '../index.js';
import type { DType, Device, Tensor } from '../index.js';

/** A dtype, a device, or several of these with a memory format. */
export type ModulePlace =
  | DType
  | Device
  | {
      dtype?: DType;
      device?: Device;
      /**
       * Memory format of tensors with four dimensions, such as weights of 2-d convolutions: shapes and values stay the
       * same.
       */
      memoryFormat?: 'channels_last' | 'contiguous_format';
    };

/** Moves and converts a module's tensors in place; integer tensors keep their dtype. */
export function moveTensors(
  parameters: readonly Tensor[],
  buffers: readonly Tensor[],
  place: ModulePlace,
): void {
  const { dtype, device, memoryFormat } = typeof place === 'string' ? parsePlace(place) : place;
  const move = (tensor: Tensor): void => {
    const inexact = torch.isFloatingPoint(tensor) || torch.isComplex(tensor);
    const cast = dtype !== undefined && inexact ? dtype : tensor.dtype;
    const target = device ?? tensor.device;
    const format = tensor.ndim === 4 ? memoryFormat : undefined;
    if (cast === tensor.dtype && target === tensor.device && format === undefined) return;
    torch.scope(() => {
      const moved = tensor.detach().to({ dtype: cast, device: target });
      tensor.data = format === undefined ? moved : moved.contiguous({ memoryFormat: format });
    });
  };
  torch.noGrad(() => {
    for (const parameter of parameters) {
      // A gradient must match its parameter, so it is detached from the parameter during the change.
      const gradient = parameter.grad;
      if (gradient !== null) parameter.grad = null;
      move(parameter);
      if (gradient === null) continue;
      move(gradient);
      parameter.grad = gradient;
    }
    for (const buffer of buffers) move(buffer);
  });
}

/** True if the text is a dtype, not a device. */
function parsePlace(place: string): Exclude<ModulePlace, string> {
  return /^(cpu|cuda|meta)(:\d+)?$/.test(place) ? { device: place as Device } : { dtype: place as DType };
}
