// c10d's reducer: averages gradients over all processes in buckets, each as soon as backward has computed it.
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "c10d.h"

namespace tessera {

namespace {

using Reducer = std::shared_ptr<c10d::Reducer>;

Reducer& reducerArgument(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw Fault("Argument", "expected a reducer");
  Reducer& reducer = *info[0].As<Napi::External<Reducer>>().Data();
  if (!reducer) throw Fault("Disposed", "the reducer was closed");
  return reducer;
}

// newReducer(group, bytes of a bucket, find unused parameters, gradients as views of buckets): wire [parameters], which
// must agree in all processes -> a reducer
Napi::Value newReducer(const Napi::CallbackInfo& info) {
  const auto parameters = tensorsOnWire(info);
  auto& group = groupArgument(info, 0);
  const auto bytes = static_cast<int64_t>(numberArgument(info, 1));
  auto reducer = distributed("DistBackend", [&] {
    const std::vector<bool> sparse(parameters.size(), false);
    // Like PyTorch's: a small first bucket, so that reducing begins early. Backward computes the last parameters first.
    const auto first = std::min<int64_t>(bytes, c10d::kDefaultFirstBucketBytes);
    auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(
        parameters, {static_cast<size_t>(first), static_cast<size_t>(bytes)}, sparse));
    std::reverse(buckets.begin(), buckets.end());
    return std::make_shared<c10d::Reducer>(parameters, buckets, group, sparse, bytes, boolArgument(info, 2),
                                           boolArgument(info, 3), std::unordered_map<size_t, std::string>(), first, false,
                                           false, std::vector<int64_t>());
  });
  return Napi::External<Reducer>::New(info.Env(), new Reducer(std::move(reducer)), [](Napi::Env, Reducer* held) { delete held; });
}

// rebuildBuckets(reducer): before a forward; after the first backward, in the order in which it computed the gradients
void rebuildBuckets(const Napi::CallbackInfo& info) {
  Reducer& reducer = reducerArgument(info);
  distributed("DistBackend", [&] {
    reducer->prepare_for_forward();
    return reducer->rebuild_buckets();
  });
}

// prepareForBackward(reducer): wire [outputs], to find the parameters that they do not depend on; none if all are used
void prepareForBackward(const Napi::CallbackInfo& info) {
  const auto outputs = tensorsOnWire(info);
  Reducer& reducer = reducerArgument(info);
  distributed("DistBackend", [&] { reducer->prepare_for_backward(outputs); });
}

// closeReducer(reducer): takes its hooks off the parameters.
void closeReducer(const Napi::CallbackInfo& info) { reducerArgument(info).reset(); }

}  // namespace

void exportReducer(Exports& exports) {
  exports.add<newReducer>("newReducer");
  exports.add<rebuildBuckets>("rebuildBuckets");
  exports.add<prepareForBackward>("prepareForBackward");
  exports.add<closeReducer>("closeReducer");
}

}  // namespace tessera
