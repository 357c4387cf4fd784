// A small record with one row of every kind, for tests of the reader and the exporters.
#ifndef LAYERMARK_RESULTS_TESTING_RECORD_FIXTURE_H_
#define LAYERMARK_RESULTS_TESTING_RECORD_FIXTURE_H_

#include "results/record.h"

namespace layermark {

// Every verdict occurs, texts hold characters that the export formats must escape, and measurements hold both
// present and absent numbers.
inline Record FixtureRecord() {
  const Place overlay{"overlay2", "overlay2:metacopy=on", "ext4", "ram"};
  const Place vfs{"vfs", "vfs", "ext4", "ram"};
  Record record;
  record.complete = true;
  record.run = {.id = "20250101T000000-ab12",
                .started = "2025-01-01T00:00:00Z",
                .seconds = 12.5,
                .tool_version = "0.1.0",
                .command = "layermark run --filter 'a b'",
                .seed = 18446744073709551615U,
                .profile = "quick"};
  record.environment.text = {{"hostname", "here"}, {"kernel", "6.18.0"}, {"cpu", "Example CPU <4>"}};
  record.environment.numbers = {{"memory_bytes", 25769803776.0}, {"cpus", 2}, {"load_before", 1.25}};
  record.image_name = "synthetic:quick";
  record.image_digest = "sha256:0123";
  record.drivers = {{.place = overlay,
                     .options = {{"metacopy", "on"}},
                     .available = true,
                     .reason = "",
                     .version = "6.18.0",
                     .capabilities = {"priv_mount", "kernel_overlay"},
                     .summary = "kernel overlayfs",
                     .inode_formula = "one work directory per mount"},
                    {.place = vfs,
                     .options = {},
                     .available = true,
                     .reason = "",
                     .version = "",
                     .capabilities = {},
                     .summary = "copies",
                     .inode_formula = ""},
                    {.place = {"aufs", "aufs", "ext4", "ram"},
                     .options = {},
                     .available = false,
                     .reason = "mount aufs: ENODEV",
                     .version = "",
                     .capabilities = {},
                     .summary = "",
                     .inode_formula = ""}};
  const auto row = [&](const char* name, const Place& place, Verdict verdict, const char* reason) {
    record.conformance.push_back({.case_name = name,
                                  .place = place,
                                  .verdict = verdict,
                                  .reason = reason,
                                  .seconds = 0.25,
                                  .source = "ovl/001",
                                  .reproduce = std::string("layermark check --filter ") + name,
                                  .skip_code = verdict == Verdict::kSkip ? "privilege_missing" : ""});
  };
  row("copyup.append", overlay, Verdict::kPass, "");
  row("copyup.mode", overlay, Verdict::kFail,
      "mode 0644 & \"0600\" <expected>\nsecond\x1b[0m line \xff ]]> end");
  row("hardlink.survives_copy_up", overlay, Verdict::kXfail, "overlayfs breaks hard links # without index");
  row("rename.dir", overlay, Verdict::kXpass, "listed as expected to fail: EXDEV");
  row("special.mknod", overlay, Verdict::kSkip, "missing capability priv_mknod: mknodat: EPERM");
  row("view.is_read_only", overlay, Verdict::kError, "worker died: SIGSEGV");
  row("stack.layers_500", overlay, Verdict::kTimeout, "60 s passed");
  row("copyup.append", vfs, Verdict::kPass, "");
  record.workloads = {
      {"copy_up_open", "copy_up", overlay, {{"size", "64KiB"}}, WorkloadVerdict::kRight, ""},
      {"copy_up_open", "copy_up", vfs, {{"size", "64KiB"}}, WorkloadVerdict::kWrong, "digest | differs"},
      {"stack_mount",
       "stack",
       vfs,
       {{"layers", "500"}},
       WorkloadVerdict::kNotRun,
       "needs layers_500",
       0,
       "capability_missing"}};
  Measurement latency;
  latency.workload = "copy_up_open";
  latency.place = overlay;
  latency.params = {{"size", "64KiB"}};
  latency.metric = Metric::latency;
  latency.n = 200;
  latency.p50 = 812345.5;
  latency.p90 = 900000;
  latency.max = 1234567;
  latency.ci95_low = 800000;
  latency.ci95_high = 820000;
  Measurement raw = latency;
  raw.side = "raw";
  raw.p50 = 400000;
  raw.ci95_low = raw.ci95_high = std::nullopt;
  Measurement ratio = latency;
  ratio.metric = Metric::ratio_to_raw;
  ratio.value = 2.03;
  ratio.p50 = ratio.p90 = ratio.max = std::nullopt;
  ratio.ci95_low = 2.0;
  ratio.ci95_high = 2.06;
  Measurement inodes;
  inodes.workload = "sharing_containers";
  inodes.place = vfs;
  inodes.params = {{"containers", "10"}};
  inodes.metric = Metric::inodes;
  inodes.n = 1;
  inodes.value = 44039;
  inodes.exact = true;
  record.measurements = {latency, raw, ratio, inodes};
  GateRow count;
  count.workload = "stack_mount";
  count.params = {{"layers", "16"}};
  count.a = vfs;
  count.b = overlay;
  count.tier = "counts";
  count.metric = "operation.inodes_left";
  count.verdict = "regressed";
  count.reason = "4 on A, 5 on B | <more>";
  count.a_value = 4;
  count.b_value = 5;
  GateRow timing = count;
  timing.tier = "timing";
  timing.metric = "latency";
  timing.verdict = "inconclusive";
  timing.reason = "neither shown after 64 blocks";
  timing.a_value = 230000;
  timing.b_value = 231500.5;
  timing.effect_ratio = 0.006;
  timing.ci95_low = -0.02;
  timing.ci95_high = 0.03;
  timing.noise_ratio = 0.09;
  timing.mde_ratio = 0.065;
  timing.p_regressed = 0.4;
  timing.p_adjusted = 1;
  timing.p_pass = 0.01;
  timing.blocks = 64;
  timing.discarded_blocks = 3;
  timing.pairs = 12800;
  timing.underpowered = true;
  record.gate = {count, timing};
  record.warnings = {"load 7.2 at the start"};
  return record;
}

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_TESTING_RECORD_FIXTURE_H_
