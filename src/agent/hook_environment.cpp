#include "agent/hook_environment.hpp"

#include <fmt/format.h>
#include <utility>

#include "host/layout.hpp"

namespace murder::agent {
namespace {

std::string below_releases(const std::string& tag) {
  return fmt::format("{}/{}", layout::releases, tag);
}

}  // namespace

HookEnvironment::HookEnvironment(const Destination& destination, std::string tag,
                                 std::string previous, std::string host, std::string deploy)
    : destination_(destination),
      tag_(std::move(tag)),
      previous_(std::move(previous)),
      host_(std::move(host)),
      deploy_(std::move(deploy)) {}

std::map<std::string, std::string> HookEnvironment::variables() const {
  return {{"MURDER_TAG", tag_},
          {"MURDER_DEST", destination_.path().native()},
          {"MURDER_RELEASE", layout::shown(destination_, below_releases(tag_))},
          {"MURDER_PREVIOUS", previous_},
          {"MURDER_HOST", host_},
          {"MURDER_DEPLOY", deploy_}};
}

UniqueFd HookEnvironment::open_release() const {
  return layout::open_folder(destination_, below_releases(tag_));
}

}  // namespace murder::agent
