#include "results/export_junit.h"

#include <fmt/format.h>

#include <ctime>

#include "core/skip_code.h"
#include "results/tally.h"
#include "results/text.h"

namespace layermark {
namespace {

struct Totals {
  int tests = 0, failures = 0, errors = 0, skipped = 0;
  double seconds = 0;
};

struct TestCase {
  std::string class_name, name;
  double seconds = 0;
  std::string element;  // "failure", "error", "skipped"; empty for a pass
  std::string type;     // of a skip: its code
  std::string message;
  std::string reproduce;
  std::string system_out;
};

std::string_view FirstLine(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

std::string Render(const TestCase& test, Totals* totals) {
  ++totals->tests;
  totals->seconds += test.seconds;
  if (test.element == "failure") ++totals->failures;
  if (test.element == "error") ++totals->errors;
  if (test.element == "skipped") ++totals->skipped;
  std::string out = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">\n",
                                XmlAttribute(test.class_name), XmlAttribute(test.name), test.seconds);
  if (test.element == "skipped") {
    const std::string type = test.type.empty() ? "" : fmt::format(" type=\"{}\"", XmlAttribute(test.type));
    out += fmt::format("      <skipped{} message=\"{}\"/>\n", type, XmlAttribute(OneLine(test.message)));
  } else if (!test.element.empty()) {
    out += fmt::format(
        "      <{} type=\"{}\" message=\"{}\">{}</{}>\n", test.element, test.type,
        XmlAttribute(FirstLine(test.message)),
        XmlText(test.reproduce.empty() ? test.message : test.message + "\nreproduce: " + test.reproduce),
        test.element);
  }
  if (!test.system_out.empty()) {
    out += fmt::format("      <system-out>{}</system-out>\n", XmlText(test.system_out));
  }
  return out + "    </testcase>\n";
}

TestCase FromCase(const ConformanceRow& row) {
  const std::string area = row.case_name.substr(0, row.case_name.find('.'));
  TestCase test;
  test.class_name = fmt::format("layermark.{}.{}", InstanceSegment(row.place.instance), area);
  test.name = row.case_name;
  test.seconds = row.seconds;
  test.message = row.reason;
  test.reproduce = row.reproduce;
  if (!row.source.empty()) test.system_out += "source: " + row.source + "\n";
  if (!row.reproduce.empty()) test.system_out += "reproduce: " + row.reproduce + "\n";
  switch (row.verdict) {
    case Verdict::kPass:
      break;
    case Verdict::kSkip:
      test.element = "skipped";
      test.type = row.skip_code;
      break;
    case Verdict::kXfail:
      test.element = "skipped";
      test.type = "expected_failure";
      test.message = "expected failure: " + row.reason;
      break;
    case Verdict::kFail:
      test.element = "failure";
      test.type = "TestFail";
      break;
    case Verdict::kXpass:
      test.element = "failure";
      test.type = "UnexpectedPass";
      test.message = "unexpected pass: " + row.reason;
      break;
    case Verdict::kError:
      test.element = "error";
      test.type = "Error";
      break;
    case Verdict::kTimeout:
      test.element = "error";
      test.type = "Timeout";
      break;
  }
  return test;
}

TestCase FromWorkload(const WorkloadRow& row) {
  TestCase test;
  test.class_name = fmt::format("layermark.{}.workload", InstanceSegment(row.place.instance));
  test.name = row.params.empty() ? row.workload : row.workload + "/" + ParamsText(row.params);
  test.message = row.reason;
  if (row.verdict == WorkloadVerdict::kWrong) {
    test.element = "failure";
    test.type = "WrongResult";
  }
  if (row.verdict == WorkloadVerdict::kNotRun) {
    test.element = "skipped";
    test.type = row.skip_code;
  }
  return test;
}

// An inconclusive row is no failure by itself: --inconclusive says what it does to the exit status.
TestCase FromGate(const GateRow& row) {
  TestCase test;
  test.class_name = fmt::format("layermark.gate.{}", row.tier);
  test.name =
      (row.params.empty() ? row.workload : row.workload + "/" + ParamsText(row.params)) + " " + row.metric;
  test.message = row.reason;
  if (row.verdict == "regressed") {
    test.element = "failure";
    test.type = "Regressed";
  } else if (row.verdict != "pass") {
    test.element = "skipped";
    test.type = row.verdict;
  } else {
    test.system_out = row.reason;
  }
  return test;
}

std::string Property(std::string_view name, std::string_view value) {
  return fmt::format("      <property name=\"{}\" value=\"{}\"/>\n", XmlAttribute(name), XmlAttribute(value));
}

std::string EnvironmentText(const Record& record, const char* name) {
  const auto it = record.environment.text.find(name);
  return it == record.environment.text.end() ? std::string() : it->second;
}

// When the run ended, RFC 3339 as its start is; its start where that cannot be read.
std::string EndOf(const RunInfo& run) {
  std::tm utc{};
  const char* rest = strptime(run.started.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  if (rest == nullptr || run.seconds < 0 || run.seconds > 1e9) return run.started;
  const std::time_t end = timegm(&utc) + static_cast<std::time_t>(run.seconds);
  gmtime_r(&end, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string Properties(const Record& record, const PlaceRows& rows) {
  const auto text = [&](const char* name) { return EnvironmentText(record, name); };
  std::string out = "    <properties>\n";
  out += Property("DRIVER", rows.place.driver) + Property("INSTANCE", rows.place.instance);
  out += Property("BACKING", rows.place.backing) + Property("DEVICE", rows.place.device);
  out += Property("KERNEL", text("kernel")) + Property("CPU", text("cpu"));
  if (!text("architecture").empty()) out += Property("ARCH", text("architecture"));
  const auto& numbers = record.environment.numbers;
  if (const auto it = numbers.find("cpus"); it != numbers.end()) {
    out += Property("CPUS", fmt::format("{:.0f}", it->second));
  }
  if (const auto it = numbers.find("memory_bytes"); it != numbers.end()) {
    out += Property("MEM_KB", fmt::format("{:.0f}", it->second / 1024));
  }
  if (rows.driver != nullptr && !rows.driver->version.empty())
    out += Property("VERSION", rows.driver->version);
  out += Property("IMAGE", record.image_name) + Property("IMAGE_DIGEST", record.image_digest);
  out += Property("SEED", std::to_string(record.run.seed)) + Property("PROFILE", record.run.profile);
  out += Property("COMMAND", record.run.command);
  return out + "    </properties>\n";
}

std::string Suite(const Record& record, const PlaceRows& rows, const std::string& name, const Totals& totals,
                  const std::string& tests) {
  const std::string head = fmt::format(
      "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\" "
      "hostname=\"{}\" start_timestamp=\"{}\" timestamp=\"{}\" report_timestamp=\"{}\">\n",
      XmlAttribute(name), totals.tests, totals.failures, totals.errors, totals.skipped, totals.seconds,
      XmlAttribute(EnvironmentText(record, "hostname")), XmlAttribute(record.run.started),
      XmlAttribute(record.run.started), XmlAttribute(EndOf(record.run)));
  return head + Properties(record, rows) + tests + "  </testsuite>\n";
}

void Add(const Totals& totals, Totals* all) {
  all->tests += totals.tests;
  all->failures += totals.failures;
  all->errors += totals.errors;
  all->skipped += totals.skipped;
  all->seconds += totals.seconds;
}

}  // namespace

std::string ExportJunit(const Record& record) {
  Totals all;
  std::string suites;
  for (const PlaceRows& rows : ByPlace(record)) {
    Totals totals;
    std::string tests;
    for (const ConformanceRow* row : rows.conformance) tests += Render(FromCase(*row), &totals);
    for (const WorkloadRow* row : rows.workloads) tests += Render(FromWorkload(*row), &totals);
    if (rows.driver != nullptr && !rows.driver->available) {
      TestCase gone;
      gone.class_name = fmt::format("layermark.{}", InstanceSegment(rows.place.instance));
      gone.name = "available";
      gone.element = "skipped";
      gone.type = SkipCodeName(SkipCode::driver_unavailable);
      gone.message = rows.driver->reason;
      tests += Render(gone, &totals);
    }
    suites += Suite(record, rows, PlaceText(rows.place), totals, tests);
    Add(totals, &all);
  }
  if (!record.gate.empty()) {
    Totals totals;
    std::string tests;
    for (const GateRow& row : record.gate) tests += Render(FromGate(row), &totals);
    PlaceRows rows;
    rows.place = record.gate.front().b;
    const std::string name = fmt::format("gate: {} against {}", PlaceText(record.gate.front().b),
                                         PlaceText(record.gate.front().a));
    suites += Suite(record, rows, name, totals, tests);
    Add(totals, &all);
  }
  return fmt::format(
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<testsuites name=\"layermark\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" "
             "time=\"{:.3f}\">\n",
             all.tests, all.failures, all.errors, all.skipped, all.seconds) +
         suites + "</testsuites>\n";
}

}  // namespace layermark
