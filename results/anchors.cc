#include "results/anchors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace layermark {
namespace {

Params ParseParams(std::string_view text) {
  Params params;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    params[std::string(pair.substr(0, equals))] = std::string(pair.substr(equals + 1));
  }
  return params;
}

struct Side {
  std::string instance;
  Params wanted;  // its own, and those of both
};

Side ParseSide(std::string_view text, std::string_view common) {
  const size_t space = text.find(' ');
  Side side{std::string(text.substr(0, space)), ParseParams(common)};
  if (space != std::string_view::npos) side.wanted.merge(ParseParams(text.substr(space + 1)));
  return side;
}

bool Fits(const Params& params, const Params& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& want) {
    const auto found = params.find(want.first);
    return found != params.end() && found->second == want.second;
  });
}

// Apart from what each side wants for itself, both must have been chosen alike.
bool Alike(const Params& a, const Params& b, const Side& side_a, const Side& side_b) {
  return std::all_of(a.begin(), a.end(), [&](const auto& param) {
    if (side_a.wanted.contains(param.first) && side_b.wanted.contains(param.first)) return true;
    const auto other = b.find(param.first);
    return other != b.end() && other->second == param.second;
  });
}

struct Value {
  double middle = 0, low = 0, high = 0;
  bool interval = false;
};

Value ValueOf(const Measurement& m) {
  Value value;
  value.middle = m.p50 ? *m.p50 : *m.value;
  value.low = value.high = value.middle;
  value.interval = m.exact;
  if (m.ci95_low && m.ci95_high) {
    value.low = *m.ci95_low;
    value.high = *m.ci95_high;
    value.interval = true;
  }
  return value;
}

double Over(double a, double b) {
  return b != 0 ? a / b : a == 0 ? 1 : a;
}

std::string WhyNot(const Record& record, std::string_view workload, const Side& side) {
  std::string reason;
  bool instance = false;
  for (const WorkloadRow& row : record.workloads) {
    instance = instance || row.place.instance == side.instance;
    if (row.workload != workload || row.place.instance != side.instance || !Fits(row.params, side.wanted))
      continue;
    if (row.verdict == WorkloadVerdict::kNotRun) reason = row.reason;
    if (row.verdict == WorkloadVerdict::kWrong) reason = "the answer was wrong: " + row.reason;
  }
  if (!reason.empty()) return side.instance + ": " + reason;
  return instance ? fmt::format("{} was not measured with {}", side.instance, ParamsText(side.wanted))
                  : side.instance + " is not in this run";
}

// The last pair of measurements that the anchor asks for.
std::optional<std::pair<const Measurement*, const Measurement*>> FindPair(const Record& record,
                                                                          const Anchor& anchor, const Side& a,
                                                                          const Side& b) {
  std::vector<const Measurement*> of_a, of_b;
  for (const Measurement& m : record.measurements) {
    if (m.workload != anchor.workload || m.metric != anchor.metric || m.side != "driver") continue;
    if (!m.p50 && !m.value) continue;
    if (m.place.instance == a.instance && Fits(m.params, a.wanted)) of_a.push_back(&m);
    if (m.place.instance == b.instance && Fits(m.params, b.wanted)) of_b.push_back(&m);
  }
  for (size_t i = of_a.size(); i-- > 0;) {
    for (size_t j = of_b.size(); j-- > 0;) {
      if (Alike(of_a[i]->params, of_b[j]->params, a, b)) return std::pair{of_a[i], of_b[j]};
    }
  }
  return std::nullopt;
}

void Judge(const Anchor& anchor, const Value& a, const Value& b, AnchorRow& row) {
  row.factor = Over(a.middle, b.middle);
  const double low = Over(a.low, b.high), high = Over(a.high, b.low);
  if (a.interval && b.interval) {
    row.ci95_low = std::min(low, high);
    row.ci95_high = std::max(low, high);
  }
  // Without an interval a time says nothing about a direction; counts and bytes were counted once.
  if (!row.ci95_low && Row(anchor.metric).unit == "ns") {
    row.verdict = "not_runnable";
    row.reason = "too few samples for an interval";
    return;
  }
  const bool in_band = *row.factor >= anchor.low && *row.factor <= anchor.high;
  const bool equality = anchor.low < 1;
  if (equality) {
    row.verdict = in_band ? "reproduced" : "not_reproduced";
    if (!in_band) row.reason = "the two differ";
    return;
  }
  const bool more = row.ci95_low ? *row.ci95_low > 1 : *row.factor > 1;
  // A count over 0 has no factor: that there are any is the claim.
  const bool counted = b.middle == 0 && a.middle > 0;
  if (more || counted) {
    row.verdict = in_band ? "reproduced" : "other_factor";
    return;
  }
  row.verdict = "not_reproduced";
  row.reason = *row.factor > 1 ? "the interval holds 1" : "the other side takes as much or more";
}

}  // namespace

const std::vector<Anchor>& AllAnchors() {
  static const std::vector<Anchor> anchors = {
#define ANCHOR(id, claim, workload, metric, params, side_a, side_b, published, low, high, source, doubt) \
  {#id, claim, #workload, Metric::metric, params, side_a, side_b, published, low, high, source, doubt},
#include "results/anchors.def"
#undef ANCHOR
  };
  return anchors;
}

std::vector<AnchorRow> EvaluateAnchors(const Record& record) {
  std::vector<AnchorRow> rows;
  for (const Anchor& anchor : AllAnchors()) {
    const bool selected =
        std::any_of(record.workloads.begin(), record.workloads.end(),
                    [&](const WorkloadRow& row) { return row.workload == anchor.workload; });
    if (!selected) continue;
    const Side a = ParseSide(anchor.side_a, anchor.params), b = ParseSide(anchor.side_b, anchor.params);
    AnchorRow row;
    row.id = anchor.id;
    row.claim = anchor.claim;
    row.workload = anchor.workload;
    row.metric = anchor.metric;
    row.a = {a.instance, a.wanted};
    row.b = {b.instance, b.wanted};
    if (anchor.published > 0) row.published = anchor.published;
    row.low = anchor.low;
    row.high = anchor.high;
    row.source = anchor.source;
    row.doubt = anchor.doubt;
    if (const auto pair = FindPair(record, anchor, a, b)) {
      row.a.params = pair->first->params;
      row.b.params = pair->second->params;
      Judge(anchor, ValueOf(*pair->first), ValueOf(*pair->second), row);
    } else {
      row.verdict = "not_runnable";
      const auto measured = [&](const Side& side) {
        return std::any_of(record.measurements.begin(), record.measurements.end(), [&](const Measurement& m) {
          return m.workload == anchor.workload && m.metric == anchor.metric && m.side == "driver" &&
                 m.place.instance == side.instance && Fits(m.params, side.wanted);
        });
      };
      row.reason = !measured(a)   ? WhyNot(record, anchor.workload, a)
                   : !measured(b) ? WhyNot(record, anchor.workload, b)
                                  : "the two sides were not measured with the same parameters";
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string_view AnchorVerdictText(std::string_view verdict) {
  if (verdict == "other_factor") return "same direction, other factor";
  if (verdict == "not_reproduced") return "not reproduced";
  if (verdict == "not_runnable") return "not runnable";
  return verdict;
}

}  // namespace layermark
