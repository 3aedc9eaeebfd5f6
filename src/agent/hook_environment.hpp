// Where a hook or check runs, and what it is told of it.
#pragma once

#include <map>
#include <string>

#include "base/file.hpp"
#include "host/destination.hpp"

namespace murder::agent {

class HookEnvironment {
 public:
  /// `destination` must outlive it. `previous`: what was live before; may be empty.
  HookEnvironment(const Destination& destination, std::string tag, std::string previous,
                  std::string host, std::string deploy);

  /// MURDER_TAG, MURDER_DEST, MURDER_RELEASE, MURDER_PREVIOUS, MURDER_HOST and MURDER_DEPLOY.
  std::map<std::string, std::string> variables() const;
  /// The release's folder. Throws Error{failed} when it is not there.
  UniqueFd open_release() const;

 private:
  const Destination& destination_;
  std::string tag_;
  std::string previous_;
  std::string host_;
  std::string deploy_;
};

}  // namespace murder::agent
