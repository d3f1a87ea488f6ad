// Operations of all processes of a group. Each returns a work, which runs on threads of the group.
#include "c10d.h"

namespace tessera {

namespace {

using Tensors = std::vector<at::Tensor>;

// The operation, and what it reads and writes: alive until JavaScript lets go of the work.
struct Running : c10::intrusive_ptr_target {
  c10::intrusive_ptr<c10d::Work> work;
  Tensors tensors;
};

template <class Start>
Napi::Value begin(const Napi::CallbackInfo& info, Tensors tensors, Start&& start) {
  auto running = c10::make_intrusive<Running>();
  running->tensors = std::move(tensors);
  running->work = distributed("DistBackend", [&] { return start(running->tensors); });
  return externalOf(info.Env(), std::move(running));
}

// allReduce(group, operation): wire [one tensor], which is overwritten in all processes -> a work
Napi::Value allReduce(const Napi::CallbackInfo& info) {
  c10d::AllreduceOptions options;
  options.reduceOp = static_cast<c10d::ReduceOp::RedOpType>(numberArgument(info, 1));
  return begin(info, tensorsOnWire(info), [&](Tensors& tensors) { return groupArgument(info, 0)->allreduce(tensors, options); });
}

// broadcast(group, rank): wire [one tensor], which is overwritten with that of the rank -> a work
Napi::Value broadcast(const Napi::CallbackInfo& info) {
  c10d::BroadcastOptions options;
  options.rootRank = static_cast<int64_t>(numberArgument(info, 1));
  return begin(info, tensorsOnWire(info), [&](Tensors& tensors) { return groupArgument(info, 0)->broadcast(tensors, options); });
}

// allGather(group): wire [the tensor, then one for each process, which is overwritten] -> a work
Napi::Value allGather(const Napi::CallbackInfo& info) {
  return begin(info, tensorsOnWire(info), [&](Tensors& tensors) {
    Tensors inputs{tensors.front()};
    std::vector<Tensors> outputs{Tensors(tensors.begin() + 1, tensors.end())};
    return groupArgument(info, 0)->allgather(outputs, inputs);
  });
}

// barrier(group) -> a work
Napi::Value barrier(const Napi::CallbackInfo& info) {
  return begin(info, {}, [&](Tensors&) { return groupArgument(info, 0)->barrier(); });
}

Running& runningArgument(const Napi::CallbackInfo& info) { return *externalArgument<Running>(info, 0, "a work"); }

// waitFor(work): blocks the thread; throws if the operation failed
void waitFor(const Napi::CallbackInfo& info) {
  Running& running = runningArgument(info);
  distributed("DistBackend", [&] { return running.work->wait(); });
}

// whenDone(work, callback): calls back with nothing, or with an error's text, without blocking the thread meanwhile
void whenDone(const Napi::CallbackInfo& info) {
  auto running = externalArgument<Running>(info, 0, "a work");
  if (!info[1].IsFunction()) throw Fault("Argument", "expected a function");
  auto callback = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "tessera work", 0, 1);
  // Runs on a thread of the group, or here if the operation is over.
  running->work->getFuture()->addCallback([callback, running](c10::ivalue::Future& future) mutable {
    const std::string failure = future.hasError() ? future.tryRetrieveErrorMessage() : "";
    callback.BlockingCall([failure](Napi::Env env, Napi::Function function) {
      function.Call({failure.empty() ? env.Undefined() : Napi::Value(Napi::String::New(env, failure))});
    });
    callback.Release();
  });
}

}  // namespace

void exportCollectives(Exports& exports) {
  exports.add<allReduce>("allReduce");
  exports.add<broadcast>("broadcast");
  exports.add<allGather>("allGather");
  exports.add<barrier>("barrier");
  exports.add<waitFor>("waitFor");
  exports.add<whenDone>("whenDone");
}

}  // namespace tessera
