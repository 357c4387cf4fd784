#include "results/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/capability.h"
#include "results/json_schema.h"
#include "results/record.h"
#include "results/testing/record_fixture.h"

namespace layermark {
namespace {

using Json = nlohmann::json;

TEST(Schema, ListsExactlyTheRowsOfTheRegistries) {
  const Json defs = Json::parse(SchemaJson())["$defs"];
  std::vector<std::string> metrics;
  for (const MetricRow& row : AllMetrics()) metrics.emplace_back(row.name);
  EXPECT_EQ(defs["metric"]["enum"].get<std::vector<std::string>>(), metrics);
  std::vector<std::string> capabilities;
  for (const CapabilityRow& row : AllCapabilities()) capabilities.emplace_back(row.name);
  EXPECT_EQ(defs["capability"]["enum"].get<std::vector<std::string>>(), capabilities);
}

TEST(Schema, BindsEachMetricToItsUnit) {
  const Json schema = Json::parse(SchemaJson());
  const Json form = Json{{"$defs", schema["$defs"]}, {"$ref", "#/$defs/metric_and_unit"}};
  for (const MetricRow& row : AllMetrics()) {
    EXPECT_TRUE(ValidateJson({{"metric", row.name}, {"unit", row.unit}}, form).ok()) << row.name;
    EXPECT_FALSE(
        ValidateJson({{"metric", row.name}, {"unit", row.unit == "ns" ? "bytes" : "ns"}}, form).ok());
  }
}

TEST(Schema, OnlyTheVocabulariesDifferFromTheCheckedInStructure) {
  Json structure = Json::parse(SchemaStructure());
  Json full = Json::parse(SchemaJson());
  for (const char* name : {"metric", "unit", "capability", "skip_code", "metric_and_unit"}) {
    ASSERT_TRUE(structure["$defs"].contains(name)) << name;
    EXPECT_NE(structure["$defs"][name], full["$defs"][name]) << name;
    structure["$defs"].erase(name);
    full["$defs"].erase(name);
  }
  structure.erase("description");
  full.erase("description");
  EXPECT_EQ(structure, full);
}

TEST(Schema, TheStructureAloneAcceptsARecord) {
  EXPECT_TRUE(ValidateJson(Json::parse(ToJson(FixtureRecord())), Json::parse(SchemaStructure())).ok());
}

TEST(Schema, TheBuiltFileIsTheCompiledText) {
  std::ifstream in(LAYERMARK_GENERATED_SCHEMA, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), SchemaJson());
}

TEST(JsonSchema, RefusesASchemaWithARuleItDoesNotKnow) {
  EXPECT_EQ(ValidateJson(1, {{"multipleOf", 2}}).code(), Code::kInternal);
  EXPECT_EQ(ValidateJson(1, {{"$ref", "#/$defs/none"}}).code(), Code::kInternal);
  EXPECT_EQ(ValidateJson(1, {{"$ref", "http:elsewhere"}}).code(), Code::kInternal);
}

TEST(JsonSchema, JudgesEachKeyword) {
  const auto ok = [](const Json& value, const char* schema) {
    return ValidateJson(value, Json::parse(schema)).ok();
  };
  EXPECT_TRUE(ok(1, R"({"type":"integer"})"));
  EXPECT_TRUE(ok(1.0, R"({"type":"integer"})"));
  EXPECT_FALSE(ok(1.5, R"({"type":"integer"})"));
  EXPECT_TRUE(ok(nullptr, R"({"type":["number","null"]})"));
  EXPECT_FALSE(ok(true, R"({"type":["number","null"]})"));
  EXPECT_FALSE(ok("", R"({"minLength":1})"));
  EXPECT_FALSE(ok(-1, R"({"minimum":0})"));
  EXPECT_FALSE(ok(Json::array({1}), R"({"maxItems":0})"));
  EXPECT_FALSE(ok(Json::array({1}), R"({"minItems":2})"));
  EXPECT_FALSE(ok(Json::array({"a", 1}), R"({"items":{"type":"string"}})"));
  EXPECT_FALSE(ok(Json::object(), R"({"required":["a"]})"));
  EXPECT_FALSE(ok({{"b", 1}}, R"({"properties":{"a":true},"additionalProperties":false})"));
  EXPECT_FALSE(ok({{"b", 1}}, R"({"additionalProperties":{"type":"string"}})"));
  EXPECT_FALSE(ok(3, R"({"enum":[1,2]})"));
  EXPECT_FALSE(ok(3, R"({"anyOf":[{"const":1},{"const":2}]})"));
  EXPECT_TRUE(ok(2, R"({"anyOf":[{"const":1},{"const":2}]})"));
  EXPECT_FALSE(ok(2, R"({"allOf":[{"const":2},false]})"));
}

}  // namespace
}  // namespace layermark
