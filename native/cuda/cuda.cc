#include "cuda.h"

namespace tessera {

void exportCuda(Exports& exports) {
  Exports cuda{exports.env, Napi::Object::New(exports.env), exports.state};
  exportCudaStreams(cuda);
  exportCudaMemory(cuda);
  exportGraphs(cuda);
  exportDriver(cuda);
  exportKernels(cuda);
  exports.object.Set("cuda", cuda.object);
}

}  // namespace tessera
