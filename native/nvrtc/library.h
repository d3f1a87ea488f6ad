// A shared library that is opened at run time; its functions are looked up by name.
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

#include "../errors.h"

namespace tessera {

class Library {
 public:
  // Opens the first of the names that can be opened, or throws with the last reason.
  void open(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (handle_ == nullptr) handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    if (handle_ == nullptr) throw Fault("NotImplemented", names.empty() ? "no library was named" : dlerror());
  }

  template <class Function>
  Function* get(const char* name) const {
    void* found = handle_ == nullptr ? nullptr : dlsym(handle_, name);
    if (found == nullptr) throw Fault("NotImplemented", std::string("the library is not open, or has no ") + name);
    return reinterpret_cast<Function*>(found);
  }

 private:
  void* handle_ = nullptr;
};

}  // namespace tessera
