#include "emulator.h"

#include "../../../native/kernels/element.h"
#include "../../../native/kernels/decode.cu"

int main(int, char** argv) {
  return emulate(argv[1], {kernel<normedProduct>("normedProduct"),
                           kernel<normedProductGelu>("normedProductGelu"),
                           kernel<productAndSum>("productAndSum"),
                           kernel<attend>("attend")});
}
