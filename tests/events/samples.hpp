// One event of each kind, every field set.
#pragma once

#include <vector>

#include "events/event.hpp"

namespace murder::events {

inline std::vector<Event> one_of_each() {
  const Endpoint endpoint = *Endpoint::parse("198.51.100.9:8999");
  Summary summary;
  summary.fields = {{"last_ratio", 1.05}};
  return {
      Started{"peer", "v1", InfoHash{}, 10, 1, "pack"},
      Listening{"peer", endpoint},
      TrackerState{"http://198.51.100.4:8998/announce", false, "no answer within 10 s"},
      WebSeedState{"http://198.51.100.5/v1.tar.zst", false, true, "sent wrong data for piece 17"},
      Progress{"v1", 1, 2, 3, 4, 5, 6.5, 7},
      Complete{"v1", 1.5, 2, 3, 4, 5, 6},
      Staged{"v1", "/srv/app/releases/v1", 1.5, 2, 3},
      Activated{"v2", "v1"},
      RolledBack{"v1", "v2"},
      Packed{"v1", "v1.tar.zst", "v1.torrent", 1, 2, 3, 4.5, 5.5, "magnet:?xt=urn:btih:c12f"},
      Withdrawn{"v7", InfoHash{}, "v7.torrent was removed"},
      PeerBanned{endpoint, "piece 17 does not match its digest"},
      SwarmComplete{8, 1.5},
      Fleet{8, 1, 2, 3, {{"web-1", 12.5}}, "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"},
      Release{"v1", true, false, 1'760'000'000, "web-1"},
      HostSelected{"web1", "deploy", "web1.example.com", 2222, {{"rack", "r7"}}, "hosts.txt:3"},
      Drifted{"v1", "bin/app", "mode", "mode 0644, not 0755", "web-1"},
      Pruned{{"v1", "v2"}, 1, "web-1"},
      DeployStarted{"20261122-131502-3fa2", "deploy", "v1", "/srv/app", 16},
      HostChanged{"web-1", "failed", "check", "exit status 1"},
      HostReport{"web-1",
                 "198.51.100.9",
                 "rolled_back",
                 false,
                 "check",
                 "failed",
                 "exit status 1",
                 "v0",
                 "v0",
                 1,
                 2,
                 3,
                 4,
                 5,
                 6,
                 7,
                 8,
                 1,
                 {"fed over ssh"}},
      Finding{"web-1", "WARNING", "room", "312 MB free", "murder prune"},
      Deploy{"20261122-131502-3fa2", "deploy", "v1", "/srv/app", 1, 2, 3, 4, 5, "ended", 0},
      LogText{"20261122-131502-3fa2", "web-1", 1.5, "check", "exit status 1"},
      Daemon{"seed", "v1", "started", 4711, 1, "/srv/v1.tar.zst", "/run/murder/seed-v1.log"},
      Warning{"worth knowing"},
      ErrorEvent{ErrorKind::failed, "it broke"},
      summary,
  };
}

}  // namespace murder::events
