// Randomness that is handed in: the same seed gives the same run, on every platform.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace murder {

/// xoshiro256** (Blackman and Vigna, 2018), seeded through splitmix64. Not for secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed);
  /// Seeded by the kernel.
  static Random from_system();

  std::uint64_t next();
  /// Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1).
  double unit();

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t state_[4];
};

}  // namespace murder
