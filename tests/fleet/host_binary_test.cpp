#include "fleet/host_binary.hpp"

#include <chrono>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <set>
#include <string>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/gzip.hpp"
#include "base/temp_dir.hpp"
#include "base/xz.hpp"

namespace murder::fleet {
namespace {

namespace fs = std::filesystem;

/// Looks like a program for x86_64, or another machine by its number in ELF.
std::string program(const std::string& rest = "", char machine = 62) {
  std::string content(
      "\x7f"
      "ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\0\0",
      20);
  content[18] = machine;
  return content + "\1\0\0\0" + rest;
}

class HostBinaryTest : public testing::Test {
 protected:
  fs::path make(const fs::path& name, const std::string& content = program()) {
    const fs::path path = folder.path() / name;
    fs::create_directories(path.parent_path());
    write_file_atomically(path, content);
    return path;
  }
  test::TempDir folder;
  fs::path bin = folder.path() / "bin";
};

TEST_F(HostBinaryTest, LiesBesideTheProgramOrInLibexec) {
  const fs::path installed = make("libexec/murder/murder-x86_64");
  EXPECT_EQ(host_binary("x86_64", "", bin), installed);
  const fs::path beside = make("bin/murder-x86_64");
  EXPECT_EQ(host_binary("x86_64", "", bin), beside);
  EXPECT_EQ(host_binary("amd64", "", bin), beside);
}

TEST_F(HostBinaryTest, TheOneThatWasChosenIsForEveryMachine) {
  make("bin/murder-x86_64");
  const fs::path chosen = make("chosen");
  EXPECT_EQ(host_binary("x86_64", chosen, bin), chosen);
  EXPECT_EQ(host_binary("riscv64", chosen, bin), chosen);
}

TEST_F(HostBinaryTest, NamesTheMachineAndWhereItLooked) {
  make("bin/murder-x86_64");
  try {
    host_binary("arm64", "", bin);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::failed);
    const std::string message = error.what();
    EXPECT_NE(message.find("no murder for arm64 hosts"), std::string::npos) << message;
    EXPECT_NE(message.find((bin / "murder-aarch64").native()), std::string::npos) << message;
    const fs::path installed = folder.path() / "libexec/murder/murder-aarch64";
    EXPECT_NE(message.find(installed.native()), std::string::npos) << message;
  }
  EXPECT_THROW(host_binary("x86_64", folder.path() / "not-there", bin), Error);
}

TEST_F(HostBinaryTest, WhatAHostCallsItsMachineLeadsNowhereElse) {
  make("bin/murder-x86_64");
  make("secret");
  fs::create_directory(bin / "murder-");
  EXPECT_THROW(host_binary("/../../secret", "", bin), Error);
}

TEST_F(HostBinaryTest, IsNamedAfterItsContent) {
  const HostBinary binary = read_host_binary(make("murder-x86_64"));
  EXPECT_EQ(binary.size, program().size());
  EXPECT_EQ(binary.machine, "x86_64");
  EXPECT_EQ(binary.sha256, sha256(program()));
  EXPECT_EQ(file_name(binary.to_bootstrap()), "murder-" + sha256(program()).hex().substr(0, 16));
}

TEST_F(HostBinaryTest, SaysWhatMachineItIsForWhateverItsName) {
  EXPECT_EQ(read_host_binary(make("murder-x86_64", program("", static_cast<char>(183)))).machine,
            "aarch64");
  for (const std::string& content : {std::string(), std::string("#!/bin/sh\n"), program("", 1)})
    EXPECT_THROW(read_host_binary(make("murder-x86_64", content)), Error);
}

TEST_F(HostBinaryTest, IsCompressedOnceForAllDeploys) {
  const HostBinary binary = read_host_binary(make("murder-x86_64"));
  const fs::path cache = folder.path() / "home/.cache/murder";
  const std::string name = file_name(binary.to_bootstrap());
  const std::string as_gzip = compress_host_binary(binary, Packing::gzip, cache);
  const std::string as_xz = compress_host_binary(binary, Packing::xz, cache);
  EXPECT_EQ(gunzip(as_gzip), program());
  EXPECT_EQ(unxz(as_xz, program().size()), program());
  EXPECT_EQ(read_file(cache / (name + ".gz")), as_gzip);
  EXPECT_EQ(read_file(cache / (name + ".xz")), as_xz);
  // The binary itself is not asked any more.
  fs::remove(binary.path);
  EXPECT_EQ(compress_host_binary(binary, Packing::gzip, cache), as_gzip);
  EXPECT_EQ(compress_host_binary(binary, Packing::xz, cache), as_xz);
}

TEST_F(HostBinaryTest, WhatLiesBesideItIsTakenIfItIsTheSame) {
  const fs::path path = make("bin/murder-x86_64");
  const HostBinary binary = read_host_binary(path);
  // Not as it would be made here, so that it can be told.
  const std::string made = xz(program(), XzFilter::none);
  make("bin/murder-x86_64.xz", made);
  EXPECT_EQ(compress_host_binary(binary, Packing::xz, ""), made);
  EXPECT_EQ(gunzip(compress_host_binary(binary, Packing::gzip, "")), program());
  make("bin/murder-x86_64.xz", xz(program("older"), XzFilter::none));
  EXPECT_EQ(unxz(compress_host_binary(binary, Packing::xz, ""), binary.size), program());
}

TEST_F(HostBinaryTest, ADamagedCacheIsMadeAnew) {
  const HostBinary binary = read_host_binary(make("murder-x86_64"));
  const std::string name = "cache/" + file_name(binary.to_bootstrap());
  for (const std::string& damaged :
       {std::string(), std::string("neither"), gzip("another"), xz("another", XzFilter::none)}) {
    const fs::path kept = make(name + ".gz", damaged);
    const fs::path kept_xz = make(name + ".xz", damaged);
    EXPECT_EQ(gunzip(compress_host_binary(binary, Packing::gzip, kept.parent_path())), program());
    EXPECT_EQ(gunzip(read_file(kept)), program());
    EXPECT_EQ(unxz(compress_host_binary(binary, Packing::xz, kept.parent_path()), binary.size),
              program());
    EXPECT_EQ(unxz(read_file(kept_xz), binary.size), program());
  }
}

TEST_F(HostBinaryTest, ACacheThatCannotBeWrittenChangesNothing) {
  const HostBinary binary = read_host_binary(make("murder-x86_64"));
  const fs::path no_folder = make("file");
  EXPECT_EQ(gunzip(compress_host_binary(binary, Packing::gzip, no_folder / "murder")), program());
  EXPECT_EQ(gunzip(compress_host_binary(binary, Packing::gzip, "")), program());
}

TEST_F(HostBinaryTest, OldOnesLeaveTheCacheAndNothingElseDoes) {
  const fs::path cache = folder.path() / "cache";
  const auto now = fs::file_time_type::clock::now();
  for (int age = 1; age <= 7; ++age)
    fs::last_write_time(
        make(fmt::format("cache/murder-{:016}.{}", age, age % 2 == 0 ? "xz" : "gz")),
        now - std::chrono::hours(age));
  make("cache/murder-0000000000000009");
  make("cache/notes.gz");
  const HostBinary binary = read_host_binary(make("murder-x86_64"));
  compress_host_binary(binary, Packing::xz, cache);
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(cache)) left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<std::string>{file_name(binary.to_bootstrap()) + ".xz",
                                         "murder-0000000000000001.gz", "murder-0000000000000002.xz",
                                         "murder-0000000000000003.gz", "murder-0000000000000004.xz",
                                         "murder-0000000000000005.gz", "murder-0000000000000009",
                                         "notes.gz"}));
}

TEST_F(HostBinaryTest, AnotherBinaryInItsPlaceIsNoticed) {
  const HostBinary binary = read_host_binary(make("murder-x86_64"));
  make("murder-x86_64", program("newer"));
  EXPECT_THROW(compress_host_binary(binary, Packing::gzip, folder.path() / "cache"), Error);
}

}  // namespace
}  // namespace murder::fleet
