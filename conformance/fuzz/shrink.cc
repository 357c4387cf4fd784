#include "conformance/fuzz/shrink.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace layermark {
namespace {

class Shrinker {
 public:
  Shrinker(FuzzProgram program, const std::function<bool(const FuzzProgram&)>& shows,
           const std::function<bool()>& may_go_on)
      : best_(std::move(program)), shows_(shows), may_go_on_(may_go_on) {}

  FuzzProgram Run() {
    KeepTheEnd();
    KeepWhatIsNamed();
    do {
      changed_ = false;
      DropSteps();
      DropLayers();
      DropLayerSteps();
      SimplifySteps();
      SimplifyLayers();
    } while (changed_ && may_go_on_());
    return std::move(best_);
  }

 private:
  bool Try(FuzzProgram candidate) {
    if (!may_go_on_() || !shows_(candidate)) return false;
    best_ = std::move(candidate);
    changed_ = true;
    return true;
  }

  // What most programs come to: their last steps alone.
  void KeepTheEnd() {
    for (size_t n = 1; n <= 3 && n < best_.steps.size(); ++n) {
      FuzzProgram smaller = best_;
      smaller.steps.erase(smaller.steps.begin(), smaller.steps.end() - static_cast<long>(n));
      if (Try(std::move(smaller))) return;
    }
  }

  // Of the layers only what lies above, at or below a name that a step has.
  void KeepWhatIsNamed() {
    std::set<std::string> names;
    for (const FuzzStep& step : best_.steps) names.insert({step.path, step.target});
    names.erase("");
    if (names.empty()) return;
    FuzzProgram smaller = best_;
    // Names that a layer links or moves belong to what is linked or moved.
    for (const Layer& layer : best_.layers) {
      for (const Step& step : layer.steps()) {
        const bool two = step.op == StepOp::kLink || step.op == StepOp::kRename;
        if (two && (IsNamed(names, step.path) || IsNamed(names, step.target)))
          names.insert({step.path, step.target});
      }
    }
    for (Layer& layer : smaller.layers) {
      Layer kept;
      for (const Step& step : layer.steps()) {
        if (IsNamed(names, step.path)) kept.Add(step);
      }
      layer = std::move(kept);
    }
    (void)Try(std::move(smaller));
  }

  static bool IsNamed(const std::set<std::string>& names, const std::string& path) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      const std::string& shorter = name.size() < path.size() ? name : path;
      const std::string& longer = name.size() < path.size() ? path : name;
      return longer == shorter || (longer.starts_with(shorter) && longer[shorter.size()] == '/');
    });
  }

  // Parts of `size` items are taken away, from the end, then smaller ones.
  void DropParts(const std::function<size_t()>& count,
                 const std::function<FuzzProgram(size_t, size_t)>& without) {
    for (size_t part = std::max<size_t>(count() / 2, 1);; part /= 2) {
      size_t end = count();
      while (end > 0 && may_go_on_()) {
        const size_t begin = end > part ? end - part : 0;
        (void)Try(without(begin, end));
        end = std::min(begin, count());
      }
      if (part == 1 || !may_go_on_()) return;
    }
  }

  void DropSteps() {
    DropParts([&] { return best_.steps.size(); },
              [&](size_t begin, size_t end) {
                FuzzProgram smaller = best_;
                smaller.steps.erase(smaller.steps.begin() + static_cast<long>(begin),
                                    smaller.steps.begin() + static_cast<long>(end));
                return smaller;
              });
  }

  void DropLayers() {
    for (size_t i = best_.layers.size(); i-- > 0 && may_go_on_();) {
      FuzzProgram smaller = best_;
      smaller.layers.erase(smaller.layers.begin() + static_cast<long>(i));
      if (Try(std::move(smaller)) || i == 0) continue;
      FuzzProgram joined = best_;  // its steps into the layer below
      for (const Step& step : joined.layers[i].steps()) joined.layers[i - 1].Add(step);
      joined.layers.erase(joined.layers.begin() + static_cast<long>(i));
      (void)Try(std::move(joined));
    }
  }

  void DropLayerSteps() {
    for (size_t i = 0; i < best_.layers.size(); ++i) {
      DropParts([&, i] { return best_.layers[i].steps().size(); },
                [&, i](size_t begin, size_t end) {
                  FuzzProgram smaller = best_;
                  Layer layer;
                  const std::vector<Step>& steps = best_.layers[i].steps();
                  for (size_t n = 0; n < steps.size(); ++n) {
                    if (n < begin || n >= end) layer.Add(steps[n]);
                  }
                  smaller.layers[i] = std::move(layer);
                  return smaller;
                });
    }
  }

  template <typename T>
  void SimplifyStep(size_t i, T FuzzStep::*member, const T& simple) {
    if (best_.steps[i].*member == simple) return;
    FuzzProgram simpler = best_;
    simpler.steps[i].*member = simple;
    (void)Try(std::move(simpler));
  }

  void SimplifySteps() {
    for (size_t i = 0; i < best_.steps.size() && may_go_on_(); ++i) {
      const unsigned fields = RowOf(best_.steps[i].op).fields;
      SimplifyStep<uid_t>(i, &FuzzStep::as, 0);
      if ((fields & kFieldData) != 0) {
        SimplifyStep<std::string>(i, &FuzzStep::data, "");
        SimplifyStep<std::string>(i, &FuzzStep::data, best_.steps[i].data.substr(0, 1));
      }
      if ((fields & kFieldFlags) != 0 && best_.steps[i].op != FuzzOp::kSeek) {
        for (const FuzzFlag& flag : *RowOf(best_.steps[i].op).flags) {
          const int64_t flags = best_.steps[i].flags;
          if ((flags & flag.value) == flag.value)
            SimplifyStep<int64_t>(i, &FuzzStep::flags, flags & ~flag.value);
        }
      }
      if ((fields & kFieldOffset) != 0) SimplifyStep<int64_t>(i, &FuzzStep::offset, 0);
      if ((fields & kFieldSize) != 0) {
        SimplifyStep<int64_t>(i, &FuzzStep::size, 0);
        SimplifyStep<int64_t>(i, &FuzzStep::size, 1);
      }
      if ((fields & kFieldTimes) != 0) {
        SimplifyStep<int64_t>(i, &FuzzStep::atime_ns, kTimeOmit);
        SimplifyStep<int64_t>(i, &FuzzStep::mtime_ns, kTimeOmit);
      }
      if ((fields & kFieldOwner) != 0) {
        SimplifyStep<int64_t>(i, &FuzzStep::uid, -1);
        SimplifyStep<int64_t>(i, &FuzzStep::gid, -1);
      }
      const bool permissions = (fields & kFieldMode) != 0 && best_.steps[i].op != FuzzOp::kMknod;
      if (permissions) SimplifyStep<mode_t>(i, &FuzzStep::mode, 0644);
    }
  }

  void SimplifyLayerStep(size_t layer, size_t at, const std::function<void(Step&)>& simplify) {
    FuzzProgram simpler = best_;
    Layer changed;
    for (size_t n = 0; n < best_.layers[layer].steps().size(); ++n) {
      Step step = best_.layers[layer].steps()[n];
      if (n == at) simplify(step);
      changed.Add(std::move(step));
    }
    if (changed.steps() == best_.layers[layer].steps()) return;
    simpler.layers[layer] = std::move(changed);
    (void)Try(std::move(simpler));
  }

  void SimplifyLayers() {
    for (size_t layer = 0; layer < best_.layers.size(); ++layer) {
      for (size_t n = 0; n < best_.layers[layer].steps().size() && may_go_on_(); ++n) {
        SimplifyLayerStep(layer, n, [](Step& step) { step.data = step.data.substr(0, 1); });
        if (best_.layers[layer].steps()[n].op == StepOp::kDir) {
          SimplifyLayerStep(layer, n, [](Step& step) { step.mode = 0755; });
        } else if (best_.layers[layer].steps()[n].op == StepOp::kFile) {
          SimplifyLayerStep(layer, n, [](Step& step) { step.mode = 0644; });
        }
      }
    }
  }

  FuzzProgram best_;
  const std::function<bool(const FuzzProgram&)>& shows_;
  const std::function<bool()>& may_go_on_;
  bool changed_ = false;
};

}  // namespace

FuzzProgram Shrink(FuzzProgram program, const std::function<bool(const FuzzProgram&)>& still_shows,
                   const std::function<bool()>& may_go_on) {
  return Shrinker(std::move(program), still_shows, may_go_on).Run();
}

}  // namespace layermark
