#include "emulator.h"

#include "../../../native/kernels/element.h"
#include "../../../native/kernels/decode.cu"

int main(int, char** argv) {
  return emulate(argv[1], {{"normedProduct", kernel(normedProduct)},
                           {"normedProductGelu", kernel(normedProductGelu)},
                           {"productAndSum", kernel(productAndSum)},
                           {"attend", kernel(attend)}});
}
