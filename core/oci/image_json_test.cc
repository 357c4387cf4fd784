#include "core/oci/image_json.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "testing/tar_test_util.h"

namespace layermark {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(ImageJsonTest, ConfigComesBackAsItWas) {
  ConfigFile file;
  file.config.entrypoint = {"/bin/sh", "-c"};
  file.config.exposed_ports = {"80/tcp"};
  file.config.labels = {{"a", "b"}};
  file.config.user = "www:www";
  file.diff_ids = {kDigest};
  const auto back = ReadConfigFile(WriteConfigFile(file), "config");
  ASSERT_OK(back);
  EXPECT_EQ(back->config.entrypoint, file.config.entrypoint);
  EXPECT_EQ(back->config.exposed_ports, file.config.exposed_ports);
  EXPECT_EQ(back->config.labels, file.config.labels);
  EXPECT_EQ(back->config.user, file.config.user);
  EXPECT_EQ(back->diff_ids, file.diff_ids);
  EXPECT_EQ(WriteConfigFile(*back), WriteConfigFile(file));
}

TEST(ImageJsonTest, MalformedConfigsAreRefused) {
  for (const char* text :
       {"", "null", "7", "[]", "{", R"({"rootfs":7})", R"({"rootfs":{"diff_ids":"x"}})",
        R"({"rootfs":{"diff_ids":[1]}})", R"({"rootfs":{"diff_ids":["sha256:zz"]}})",
        R"({"config":[],"rootfs":{"diff_ids":[]}})", R"({"config":{"Cmd":"x"},"rootfs":{"diff_ids":[]}})",
        R"({"config":{"Labels":{"k":1}},"rootfs":{"diff_ids":[]}})"}) {
    const auto file = ReadConfigFile(text, "config");
    ASSERT_FALSE(file.ok()) << text;
    EXPECT_EQ(file.status().code(), Code::kInvalidArgument);
    EXPECT_EQ(file.status().message().rfind("config", 0), 0u) << file.status().ToString();
  }
}

TEST(ImageJsonTest, DescriptorsAreChecked) {
  const auto read = [](const std::string& digest, const std::string& size) {
    return ReadDescriptor(*ParseJson("{\"digest\":" + digest + ",\"size\":" + size + "}", "d"), "d").ok();
  };
  EXPECT_TRUE(read("\"" + kDigest + "\"", "5"));
  for (const char* size : {"-1", "1.5", "\"5\"", "18446744073709551615", "null"}) {
    EXPECT_FALSE(read("\"" + kDigest + "\"", size)) << size;
  }
  for (const std::string& digest :
       {std::string("\"\""), std::string("7"), "\"sha512:" + std::string(64, 'a') + "\"",
        "\"sha256:" + std::string(64, 'A') + "\"", "\"" + kDigest + "/..\"",
        std::string("\"sha256:../../../../etc/passwd\"")}) {
    EXPECT_FALSE(read(digest, "5")) << digest;
  }
}

TEST(ImageJsonTest, DeepNestingIsRefused) {
  const auto nested = [](size_t depth) {
    return ParseJson(std::string(depth, '[') + std::string(depth, ']'), "deep").ok();
  };
  EXPECT_TRUE(nested(200));
  EXPECT_FALSE(nested(300));
  EXPECT_FALSE(nested(5'000'000));
  // Brackets in strings, and quotes in those, do not count.
  EXPECT_TRUE(
      ParseJson("[\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"]", "text").ok());
}

TEST(ImageJsonTest, DamageIsNeverMoreThanAnError) {
  ConfigFile file;
  file.config.cmd = {"a", "b"};
  file.config.labels = {{"k", "v"}};
  file.diff_ids = {kDigest, kDigest};
  const std::string whole = WriteConfigFile(file);
  std::mt19937_64 random(3);
  int failures = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string text = whole;
    for (uint64_t i = 1 + random() % 3; i > 0; --i)
      text[random() % text.size()] = static_cast<char>(random() % 256);
    failures += !ReadConfigFile(text, "config").ok();
  }
  EXPECT_GT(failures, 300);
}

}  // namespace
}  // namespace layermark
