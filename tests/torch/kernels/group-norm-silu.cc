#include "emulator.h"

#include "../../../native/kernels/element.h"
#include "../../../native/kernels/group-norm-silu.cu"

int main(int, char** argv) {
  return emulate(argv[1], {kernel<partialMoments>("partialMoments"),
                           kernel<moments>("moments"),
                           kernel<forward>("forward"),
                           kernel<partialGradients>("partialGradients"),
                           kernel<backward>("backward")});
}
