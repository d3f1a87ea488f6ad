// Stores, where processes meet, and groups of processes that compute together.
#define USE_C10D_GLOO
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <sstream>

#include "c10d.h"

namespace tessera {

namespace {

using Store = c10::intrusive_ptr<c10d::Store>;

struct Meeting {
  std::string host;  // or the path of a file that all processes see, if there is no port
  uint16_t port = 0;
  int rank = 0;
  int size = 1;
  std::chrono::milliseconds timeout{};
};

// The process of rank 0 holds the values, unless its launcher does, under the same address, as torchrun's may.
Store tcpStore(const Meeting& meeting) {
  const char* launcherServes = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
  c10d::TCPStoreOptions options;
  options.port = meeting.port;
  options.isServer = meeting.rank == 0 && !(launcherServes != nullptr && std::string(launcherServes) == "True");
  options.numWorkers = static_cast<size_t>(meeting.size);
  options.timeout = meeting.timeout;
  options.waitWorkers = false;  // connecting the group waits for all processes
  options.multiTenant = true;
  return distributed("DistNetwork", [&] { return c10::make_intrusive<c10d::TCPStore>(meeting.host, options); });
}

Store fileStore(const Meeting& meeting) {
  return distributed("DistStore", [&] {
    Store store = c10::make_intrusive<c10d::FileStore>(meeting.host, meeting.size);
    store->setTimeout(meeting.timeout);
    return store;
  });
}

c10::intrusive_ptr<c10d::ProcessGroupGloo::Options> glooOptions(std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupGloo::Options::create(timeout);
  // PyTorch's variable: the network interfaces to use, separated by commas.
  const char* interfaces = std::getenv("GLOO_SOCKET_IFNAME");
  std::stringstream names(interfaces == nullptr ? "" : interfaces);
  for (std::string name; std::getline(names, name, ',');) {
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(name));
  }
  if (options->devices.empty()) options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
  options->threads = static_cast<int>(2 * options->devices.size());
  return options;
}

// Waits until all processes have connected to each other.
c10::intrusive_ptr<c10d::ProcessGroup> connect(const Meeting& meeting, const std::string& prefix) {
  const Store store = meeting.port == 0 ? fileStore(meeting) : tcpStore(meeting);
  return distributed("DistBackend", [&] {
    // A relaunched or later group must not find the addresses of the one before it.
    Store own = c10::make_intrusive<c10d::PrefixStore>(prefix, store);
    auto group = c10::make_intrusive<c10d::ProcessGroup>(own, meeting.rank, meeting.size);
    c10::intrusive_ptr<c10d::Backend> gloo =
        c10::make_intrusive<c10d::ProcessGroupGloo>(own, meeting.rank, meeting.size, glooOptions(meeting.timeout));
    for (const auto device : {c10::DeviceType::CPU, c10::DeviceType::CUDA}) {
      group->setBackend(device, c10d::ProcessGroup::BackendType::GLOO, gloo);
    }
    group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    group->setGroupName("0");
    return group;
  });
}

// Connects on another thread, so that JavaScript can go on, and react to Ctrl-C, while the other processes start.
class Connecting final : public Napi::AsyncWorker {
 public:
  Connecting(Napi::Env env, Meeting meeting, std::string prefix)
      : Napi::AsyncWorker(env, "tessera connecting"),
        deferred(Napi::Promise::Deferred::New(env)),
        meeting_(std::move(meeting)),
        prefix_(std::move(prefix)) {}

  const Napi::Promise::Deferred deferred;

 protected:
  void Execute() override {
    try {
      group_ = connect(meeting_, prefix_);
    } catch (const Fault& fault) {
      kind_ = fault.kind;
      SetError(fault.what());
    }
  }
  void OnOK() override { deferred.Resolve(externalOf(Env(), std::move(group_))); }
  void OnError(const Napi::Error& error) override {
    error.Set("kind", Napi::String::New(Env(), kind_));
    deferred.Reject(error.Value());
  }

 private:
  Meeting meeting_;
  std::string prefix_;
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
  const char* kind_ = "Runtime";
};

// openGroup(host or path, port or 0 for a path, rank, processes, timeout, prefix) -> a promise of a group
Napi::Value openGroup(const Napi::CallbackInfo& info) {
  Meeting meeting;
  meeting.host = textArgument(info, 0);
  meeting.port = static_cast<uint16_t>(numberArgument(info, 1));
  meeting.rank = static_cast<int>(numberArgument(info, 2));
  meeting.size = static_cast<int>(numberArgument(info, 3));
  meeting.timeout = millisecondsArgument(info, 4);
  // c10d prints every attempt to connect, with a C++ trace; what matters becomes an error.
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = 3;
  auto* connecting = new Connecting(info.Env(), std::move(meeting), textArgument(info, 5));  // frees itself
  connecting->Queue();
  return connecting->deferred.Promise();
}

// closeGroup(group): ends its connections, after the operations that are still running. The group cannot be used again.
void closeGroup(const Napi::CallbackInfo& info) {
  externalArgument<c10d::ProcessGroup>(info, 0, "a process group").reset();
}

}  // namespace

void exportGroups(Exports& exports) {
  exports.add<openGroup>("openGroup");
  exports.add<closeGroup>("closeGroup");
}

}  // namespace tessera
