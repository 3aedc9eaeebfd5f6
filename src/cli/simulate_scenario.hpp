// What `murder simulate` was asked for, as text, and the run that is meant.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/simulation.hpp"

namespace murder::cli {

/// As typed; empty: not given.
struct SimulateArguments {
  long long hosts = 16;
  std::string size = "1GiB";
  std::string link = "1Gbit";
  std::string seeder_link;
  std::string feed;
  std::string latency = "0.1ms";
  std::string efficiency = "100%";
  std::vector<std::string> slow;  ///< HOSTS:RATE
  std::vector<std::string> late;  ///< HOSTS:TIME
  std::vector<std::string> stop;  ///< HOSTS:TIME
  std::string churn;              ///< HOSTS or HOSTS:DURATION
  std::string seeder_dies;        ///< TIME
  long long racks = 1;
  std::string rack_link;
  long long pieces = 0;  ///< 0: as a release of that size is cut
  unsigned long long seed = 1;
};

/// HOSTS is a number or a share ("33%"), TIME a duration or a share of the limit ("50%"). Which
/// hosts are slow, late, stopped or killed is drawn with the seed; none is drawn twice.
/// Error{usage} for what cannot be simulated, naming the flag and the way out.
sim::SimulationOptions scenario_of(const SimulateArguments& arguments);

}  // namespace murder::cli
