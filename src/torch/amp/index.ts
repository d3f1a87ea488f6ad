/** Mixed precision under the names of PyTorch's `torch.amp`. */
export { autocast, autocastDType, isAutocastEnabled, type AutocastOptions } from '../autocast.js';
export { GradScaler, type GradScalerOptions, type GradScalerState, type Scalable } from './grad-scaler.js';
