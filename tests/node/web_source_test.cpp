// What the answers of a web seed mean.
#include "node/web_source.hpp"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace murder::node {
namespace {

using namespace std::chrono_literals;
using swarm::WebOutcome;

constexpr ByteRange range{100, 50};
constexpr std::int64_t today = 1'792'000'000;  // Wed, 14 Oct 2026 17:46:40 GMT

WebAnswer judged(unsigned status, std::size_t bytes, const std::string& content_range,
                 const std::string& retry_after = "") {
  const net::HttpResult result{.status = status,
                               .body = std::string(bytes, 'x'),
                               .content_range = content_range,
                               .retry_after = retry_after};
  return judge_web_answer(result, range, 1000, today);
}

TEST(WebSeedUrl, a_folder_gets_the_name_and_a_file_is_taken_as_it_is) {
  EXPECT_EQ(web_seed_url("http://store/releases/", "v1.tar.zst").target, "/releases/v1.tar.zst");
  EXPECT_EQ(web_seed_url("http://store/other-name", "v1.tar.zst").target, "/other-name");
  EXPECT_EQ(web_seed_url("http://store/a/", "b c%/é").target, "/a/b%20c%25/%C3%A9");
  EXPECT_EQ(web_seed_url("http://store/f?signature=/", "n").target, "/f?signature=/");
  EXPECT_THROW(web_seed_url("https://store/f", "n"), Error) << "without tls::install()";
  EXPECT_THROW(web_seed_url("ftp://store/f", "n"), Error);
}

Metainfo tree() {
  Metainfo metainfo;
  metainfo.name = "a b";
  metainfo.length = 100;
  metainfo.files = {{.path = "one", .length = 10, .offset = 0},
                    {.path = "empty", .length = 0, .offset = 10},
                    {.path = ".pad/6", .length = 6, .offset = 10, .is_padding = true},
                    {.path = "d/two%", .length = 84, .offset = 16}};
  return metainfo;
}

/// "TARGET BEGIN+LENGTH/TOTAL" of each part, "zeros LENGTH" of padding.
std::vector<std::string> shown(const std::vector<WebPart>& parts) {
  std::vector<std::string> lines;
  for (const WebPart& part : parts) {
    const std::string length = std::to_string(part.range.length);
    lines.push_back(part.is_padding ? "zeros " + length
                                    : part.url.target + " " + std::to_string(part.range.begin) +
                                          "+" + length + "/" + std::to_string(part.total));
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST(WebParts, of_one_file_are_one) {
  Metainfo metainfo;
  metainfo.name = "v1";
  metainfo.length = 100;
  EXPECT_EQ(shown(web_parts("http://store/x/", metainfo, {10, 20})), Lines{"/x/v1 10+20/100"});
  EXPECT_EQ(shown(web_parts("http://store/x?y/", metainfo, {0, 100})), Lines{"/x?y/ 0+100/100"});
}

TEST(WebParts, of_several_files_are_each_in_its_own) {
  EXPECT_EQ(shown(web_parts("http://store/x", tree(), {0, 100})),
            (Lines{"/x/a%20b/one 0+10/10", "zeros 6", "/x/a%20b/d/two%25 0+84/84"}));
  EXPECT_EQ(shown(web_parts("http://store/x/", tree(), {4, 6})), Lines{"/x/a%20b/one 4+6/10"});
  EXPECT_EQ(shown(web_parts("http://store", tree(), {12, 10})),
            (Lines{"zeros 4", "/a%20b/d/two%25 0+6/84"}));
  EXPECT_EQ(shown(web_parts("http://store/", tree(), {99, 1})), Lines{"/a%20b/d/two%25 83+1/84"});
}

TEST(WebParts, of_several_files_cannot_be_asked_for_with_a_query) {
  EXPECT_THROW(check_web_seed("http://store/x?signature=1", tree()), Error);
  EXPECT_NO_THROW(check_web_seed("http://store/x", tree()));
}

TEST(WebParts, of_names_that_make_a_url_too_long_are_found_out_beforehand) {
  Metainfo deep = tree();
  for (int i = 0; i < 9; ++i) deep.files.back().path += "/" + std::string(240, 'x');
  EXPECT_THROW(check_web_seed("http://store/x/", deep), Error);
  deep.files.back().is_padding = true;
  EXPECT_NO_THROW(check_web_seed("http://store/x/", deep));
  Metainfo one;
  one.name = std::string(255, '\xff');
  EXPECT_NO_THROW(check_web_seed("http://store/", one));
  EXPECT_THROW(check_web_seed("http://store/" + std::string(1400, 'x') + "/", one), Error);
}

TEST(WebSeedUrl, a_signature_is_not_shown) {
  EXPECT_EQ(shown_web_seed("http://store/f?secret=1"), "http://store/f");
}

TEST(WebAnswer, the_range_that_was_asked_for_has_come) {
  EXPECT_EQ(range.to_header(), "bytes=100-149");
  EXPECT_EQ(judged(206, 50, "bytes 100-149/1000").outcome, WebOutcome::came);
  EXPECT_EQ(judged(206, 50, "bytes 100-149/*").outcome, WebOutcome::came);
}

/// It may be on its way there.
TEST(WebAnswer, another_range_or_another_file_is_refused) {
  for (const char* other : {"bytes 0-49/1000", "bytes 100-149/999", "bytes 100-140/1000", "", "x",
                            "bytes 100-149", "bytes -100-149/1000", "bytes /-"})
    EXPECT_EQ(judged(206, 50, other).outcome, WebOutcome::refused) << other;
  EXPECT_EQ(judged(416, 0, "bytes */90").outcome, WebOutcome::refused);
}

TEST(WebAnswer, a_server_without_ranges_is_of_no_use_but_for_all_of_it) {
  EXPECT_EQ(judged(200, 50, "").outcome, WebOutcome::wrong);
  net::HttpResult whole{.status = 200, .body = std::string(50, 'x')};
  EXPECT_EQ(judge_web_answer(whole, {0, 50}, 50, today).outcome, WebOutcome::came);
  net::HttpResult too_long{.error = "no ranges"};
  too_long.is_whole_for_range = true;
  EXPECT_EQ(judge_web_answer(too_long, range, 1000, today).outcome, WebOutcome::wrong);
}

TEST(WebAnswer, what_passes_is_tried_again_soon_and_what_does_not_later) {
  for (const unsigned status : {500u, 502u, 503u, 504u, 429u, 408u})
    EXPECT_EQ(judged(status, 0, "").outcome, WebOutcome::busy) << status;
  for (const unsigned status : {301u, 302u, 400u, 401u, 403u, 404u, 410u})
    EXPECT_EQ(judged(status, 0, "").outcome, WebOutcome::refused) << status;
  EXPECT_EQ(judged(0, 0, "").outcome, WebOutcome::busy);
  EXPECT_EQ(judged(206, 20, "bytes 100-149/1000").outcome, WebOutcome::busy) << "cut short";
  EXPECT_NE(judged(302, 0, "").reason.find("redirect"), std::string::npos);
}

TEST(WebAnswer, retry_after_is_seconds_or_a_date) {
  EXPECT_EQ(judged(503, 0, "", "120").retry_after, 120s);
  EXPECT_EQ(judged(429, 0, "", "Wed, 14 Oct 2026 17:47:40 GMT").retry_after, 60s);
  EXPECT_EQ(judged(503, 0, "", "Wed, 14 Oct 2020 17:47:40 GMT").retry_after, 0s);
  for (const char* odd : {"", "-5", "soon", "12x", "99999999999999999999"})
    EXPECT_EQ(judged(503, 0, "", odd).retry_after, 0s) << odd;
  EXPECT_EQ(judged(503, 0, "", "9999999").retry_after, 24h);
}

}  // namespace
}  // namespace murder::node
