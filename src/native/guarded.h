// What all files of the shim share: a call returns null, or a message that `almt_free_message` frees.
// No exception leaves the shim.

#pragma once

#include <cstring>
#include <exception>

template <typename Call>
char *guarded(Call call) {
  try {
    call();
    return nullptr;
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown error");
  }
}
