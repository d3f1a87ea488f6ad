#include "c10d.h"

namespace tessera {

void exportDistributed(Exports& exports) {
  Exports distributed{exports.env, Napi::Object::New(exports.env), exports.state};
  exportGroups(distributed);
  exportCollectives(distributed);
  exportReducer(distributed);
  exports.object.Set("distributed", distributed.object);
}

}  // namespace tessera
