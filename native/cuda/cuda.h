// The CUDA part of the addon, in a separate object: `cuda` in the table of exports.
#pragma once

#include "../exports.h"

namespace tessera {

void exportCudaStreams(Exports& exports);
void exportCudaMemory(Exports& exports);
void exportGraphs(Exports& exports);
void exportDriver(Exports& exports);
void exportKernels(Exports& exports);

}  // namespace tessera
