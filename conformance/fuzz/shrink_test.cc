#include "conformance/fuzz/shrink.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

FuzzStep StepOf(FuzzOp op, std::string path) {
  FuzzStep step;
  step.op = op;
  step.path = std::move(path);
  return step;
}

FuzzProgram Large() {
  FuzzProgram program;
  for (int i = 0; i < 4; ++i) {
    Layer layer;
    for (int n = 0; n < 20; ++n)
      layer.File("l" + std::to_string(i) + std::to_string(n), std::string(500, 'd'), 0600);
    program.layers.push_back(layer);
  }
  for (int i = 0; i < 200; ++i) {
    FuzzStep step = StepOf(FuzzOp::kAppend, "s" + std::to_string(i));
    step.data = std::string(4096, 'x');
    step.as = 1000;
    program.steps.push_back(step);
  }
  return program;
}

bool HasStep(const FuzzProgram& p, const std::string& path) {
  return std::any_of(p.steps.begin(), p.steps.end(), [&](const FuzzStep& s) { return s.path == path; });
}

bool HasLayerStep(const FuzzProgram& p, const std::string& path) {
  for (const Layer& layer : p.layers) {
    for (const Step& step : layer.steps()) {
      if (step.path == path) return true;
    }
  }
  return false;
}

TEST(FuzzShrink, KeepsJustWhatTheOracleNeeds) {
  int runs = 0;
  const FuzzProgram small = Shrink(
      Large(),
      [&](const FuzzProgram& p) {
        ++runs;
        return HasStep(p, "s17") && HasStep(p, "s150") && HasLayerStep(p, "l27");
      },
      [] { return true; });
  EXPECT_EQ(ToText(small),
            "layermark-fuzz 1\nlayer\n  file path=\"l27\" mode=0644 data=\"d\"\nsteps\n"
            "  append path=\"s17\" data=\"\"\n  append path=\"s150\" data=\"\"\n");
  EXPECT_LT(runs, 600) << "far fewer runs than there are steps squared";
}

TEST(FuzzShrink, KeepsTheOrderAndWhatMattersInArguments) {
  const FuzzProgram small = Shrink(
      Large(),
      [](const FuzzProgram& p) {
        const auto first = std::find_if(p.steps.begin(), p.steps.end(),
                                        [](const FuzzStep& s) { return s.path == "s30" && s.as == 1000; });
        return std::any_of(first, p.steps.end(),
                           [](const FuzzStep& s) { return s.path == "s31" && !s.data.empty(); });
      },
      [] { return true; });
  EXPECT_TRUE(small.layers.empty());
  EXPECT_EQ(ToText(small),
            "layermark-fuzz 1\nsteps\n  append path=\"s30\" data=\"\" as=1000\n"
            "  append path=\"s31\" data=\"x\"\n");
}

TEST(FuzzShrink, StopsWhenItIsTold) {
  int left = 5;
  int runs = 0;
  const FuzzProgram small = Shrink(
      Large(),
      [&](const FuzzProgram& p) {
        ++runs;
        return HasStep(p, "s17");
      },
      [&] { return left-- > 0; });
  EXPECT_TRUE(HasStep(small, "s17"));
  EXPECT_LE(runs, 5);
}

}  // namespace
}  // namespace layermark
