#include "emulator.h"

#include "../../../native/kernels/element.h"
#include "../../../native/kernels/group-norm-silu.cu"

int main(int, char** argv) {
  return emulate(argv[1], {{"partialMoments", kernel(partialMoments)},
                           {"moments", kernel(moments)},
                           {"forward", kernel(forward)},
                           {"partialGradients", kernel(partialGradients)},
                           {"backward", kernel(backward)}});
}
