#include "tracker/admission.hpp"

#include <gtest/gtest.h>

namespace murder::tracker {
namespace {

const IpAddress inside = *IpAddress::parse("10.0.0.7");
const IpAddress outside = *IpAddress::parse("192.0.2.7");
const InfoHash known = *InfoHash::from_hex("c12fe1c06bba254a9dc9f519b335aa7c1367a88a");

AnnounceRequest about(const InfoHash& torrent) {
  AnnounceRequest request;
  request.info_hash = torrent;
  return request;
}

TEST(Admission, by_default_everyone_is_served) {
  EXPECT_EQ(Admission().refusal(about(known), outside), "");
}

TEST(Admission, only_allowed_addresses_and_of_those_no_banned_one) {
  Admission admission;
  admission.allowed = {*AddressRange::parse("10.0.0.0/8")};
  admission.banned = {*AddressRange::parse("10.0.1.0/24")};
  EXPECT_EQ(admission.refusal(about(known), inside), "");
  EXPECT_EQ(admission.refusal(about(known), outside), "this tracker does not serve 192.0.2.7");
  EXPECT_NE(admission.refusal(about(known), *IpAddress::parse("10.0.1.9")), "");
}

TEST(Admission, nobody_is_sent_to_an_address_that_is_not_served) {
  Admission admission;
  admission.banned = {*AddressRange::parse("192.0.2.0/24")};
  AnnounceRequest request = about(known);
  request.ip = outside;
  EXPECT_EQ(admission.refusal(request, inside), "this tracker does not serve 192.0.2.7");
}

TEST(Admission, only_listed_torrents) {
  Admission admission;
  admission.torrents.emplace();
  EXPECT_EQ(admission.refusal(about(known), inside),
            "this tracker does not serve the torrent c12fe1c06bba254a9dc9f519b335aa7c1367a88a");
  admission.torrents->insert(known);
  EXPECT_EQ(admission.refusal(about(known), inside), "");
}

}  // namespace
}  // namespace murder::tracker
