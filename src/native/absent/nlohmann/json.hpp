// Headers of libtorch name this library, which its packages do not bring. Nothing that needs it is
// used here: declarations are enough. Where the library is there, it is taken instead.

#pragma once

#include <string>

namespace nlohmann {

struct json {
  json();
  template <typename T>
  json(const T &value);
  template <typename T>
  T get() const;
  std::string dump() const;
  static json parse(const std::string &text);
};

} // namespace nlohmann
