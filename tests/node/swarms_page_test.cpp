#include "node/swarms_page.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace murder::node {
namespace {

TEST(SwarmsPage, is_read_back_as_it_was_written) {
  tracker::SwarmView swarm;
  swarm.info_hash = *InfoHash::from_hex("c12fe1c06bba254a9dc9f519b335aa7c1367a88a");
  swarm.size_bytes = 14'700'312;
  swarm.seeders = 1;
  swarm.hosts = 16;
  swarm.complete_hosts = 3;
  swarm.failed_hosts = 2;
  swarm.stock_peers = 4;
  swarm.swarm_complete = true;
  tracker::SwarmView::Host host;
  host.name = "web\xff";
  host.endpoint = *Endpoint::parse("10.0.3.7:8999");
  host.left = 1ull << 40;
  host.links = 10;
  host.failed = true;
  host.silent_for = std::chrono::milliseconds(1500);
  swarm.slowest = {host};

  const auto read = parse_swarms_page(swarms_page({swarm, {}}));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].info_hash, swarm.info_hash);
  EXPECT_EQ(read[0].size_bytes, swarm.size_bytes);
  EXPECT_EQ(read[0].seeders, 1u);
  EXPECT_EQ(read[0].hosts, 16u);
  EXPECT_EQ(read[0].complete_hosts, 3u);
  EXPECT_EQ(read[0].failed_hosts, 2u);
  EXPECT_EQ(read[0].stock_peers, 4u);
  EXPECT_TRUE(read[0].swarm_complete);
  ASSERT_EQ(read[0].slowest.size(), 1u);
  EXPECT_EQ(read[0].slowest[0].name, "web\xef\xbf\xbd");
  EXPECT_EQ(read[0].slowest[0].endpoint, host.endpoint);
  EXPECT_EQ(read[0].slowest[0].left, host.left);
  EXPECT_EQ(read[0].slowest[0].links, 10u);
  EXPECT_TRUE(read[0].slowest[0].failed);
  EXPECT_FALSE(read[0].slowest[0].complete);
  EXPECT_EQ(read[0].slowest[0].silent_for, host.silent_for);
  EXPECT_TRUE(parse_swarms_page(swarms_page({})).empty());
}

TEST(SwarmsPage, what_is_none_is_refused) {
  for (const char* text :
       {"", "<html>", "[]", "{}", R"({"swarms":[{}]})", R"({"swarms":7})",
        R"({"swarms":[{"info_hash":"a","slowest":[{}]}]})", R"({"swarms":[{"info_hash":7}]})"})
    EXPECT_THROW(parse_swarms_page(text), Error) << text;
  EXPECT_NO_THROW(parse_swarms_page(R"({"swarms":[{"info_hash":"a","hosts":-1,"complete":1e300,
      "slowest":[{"name":"a","left_bytes":1e300,"silent_s":1e300}]}]})"));
}

}  // namespace
}  // namespace murder::node
