// The lower layers of a program: a base tree, and on it layers that add, replace, remove and make opaque.
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "conformance/fuzz/generator.h"

namespace layermark {
namespace {

// One step of a layer on what is there so far.
void AddSteps(FuzzRandom& random, const OriginModel& model, Layer& layer, bool higher, bool gentle) {
  const std::vector<std::string> directories = model.Directories();
  const std::string& home = random.Pick(directories);
  const std::string path = home.empty() ? RandomName(random) : home + "/" + RandomName(random);
  const std::vector<std::string> paths = model.Paths("");
  const bool there = model.Exists(path);
  constexpr mode_t kModes[] = {0644, 0600, 0755, 04755, 02770, 0444, 0000, 01777};
  const mode_t mode = kModes[random.Below(8)];
  switch (random.Below(!higher ? 14 : gentle ? 9 : 20)) {
    case 0:
    case 1:
    case 2:
      if (!there && std::count(path.begin(), path.end(), '/') < 4) layer.Dir(path, mode | 0700);
      return;
    case 3:
    case 4:
    case 5:
      if (!there) layer.File(path, RandomData(random), mode);
      return;
    case 6:
      if (!there)
        layer.Symlink(path, random.OneIn(3) || paths.empty() ? RandomName(random) : random.Pick(paths));
      return;
    case 7:
      if (const auto files = model.Paths("regular"); !there && !files.empty() && random.OneIn(2)) {
        layer.Link(path, random.Pick(files));
      }
      return;
    case 8:
      if (there) return;
      if (random.OneIn(6)) {
        layer.Mknod(path, (random.OneIn(2) ? S_IFBLK : S_IFCHR) | (mode & 0777),
                    makedev(301, static_cast<unsigned>(1 + random.Below(600))));
      } else if (random.OneIn(3)) {
        layer.Mknod(path, S_IFCHR | (mode & 0777), makedev(1, random.OneIn(2) ? 3 : 7));
      } else {
        layer.Mknod(path, (random.OneIn(3) ? S_IFSOCK : S_IFIFO) | (mode & 0777));
      }
      return;
    case 9:
      if (!paths.empty())
        layer.Chown(random.Pick(paths), random.OneIn(4) ? 70'000 : 1000, random.OneIn(2) ? 1000 : 5);
      return;
    case 10:
      if (const auto files = model.Paths(random.OneIn(3) ? "directory" : "regular"); !files.empty()) {
        const bool trusted = random.OneIn(3);
        layer.SetXattr(random.Pick(files), trusted ? "trusted.t" : "user.u", random.OneIn(3) ? "" : "below");
      }
      return;
    case 11:
      if (!there && random.OneIn(3)) layer.Sparse(path, 100'000, 50'000, "in the middle", mode);
      return;
    case 12:
      if (const auto any = model.Paths(""); !any.empty()) {
        const int64_t time = random.OneIn(2) ? 1'234'567'890'123'456'789 : -1'500'000'000;
        layer.Times(random.Pick(any), time, time);
      }
      return;
    case 13:
      if (const auto files = model.Paths(random.OneIn(2) ? "directory" : "regular"); !files.empty()) {
        const FuzzXattr xattr = RandomXattr(random);
        const std::string& file = random.Pick(files);
        if (xattr.name == "system.posix_acl_access" || xattr.name == "security.capability" ||
            (xattr.name == "system.posix_acl_default" && model.IsDirectory(file))) {
          layer.SetXattr(file, xattr.name, xattr.value);
        }
      }
      return;
    case 14:
      if (!paths.empty()) layer.Chmod(random.Pick(paths), mode | 0500);
      return;
    case 15:
    case 16:
      if (!paths.empty()) layer.RemoveAll(random.Pick(paths));
      return;
    case 17:  // an opaque directory: removed, and made anew in the same layer
      if (const auto inner = model.Paths("directory"); !inner.empty()) {
        const std::string& opaque = random.Pick(inner);
        layer.RemoveAll(opaque).Dir(opaque, 0755).File(opaque + "/" + RandomName(random), RandomData(random));
      }
      return;
    case 18:  // another type under the same name
      if (!paths.empty()) {
        const std::string& old = random.Pick(paths);
        layer.RemoveAll(old);
        if (random.OneIn(3)) {
          layer.Dir(old, 0755);
        } else if (random.OneIn(2)) {
          layer.Symlink(old, RandomName(random));
        } else {
          layer.File(old, "another type", mode);
        }
      }
      return;
    default:
      if (const auto files = model.Paths("regular"); !files.empty()) {
        layer.Write(random.Pick(files), static_cast<int64_t>(random.Below(100)), "changed in a layer");
      }
  }
}

}  // namespace

std::vector<Layer> GenerateLayers(FuzzRandom& random, bool gentle) {
  const size_t count = random.OneIn(10) ? 5 + random.Below(6) : 1 + random.Below(4);
  std::vector<Layer> layers;
  for (size_t i = 0; i < count; ++i) {
    layers.emplace_back();
    const size_t steps = i == 0 ? 12 + random.Below(14) : 4 + random.Below(10);
    for (size_t n = 0; n < steps; ++n) {
      // Chmod on a symlink has no meaning, and a step on a name that was removed fails: the model knows.
      Layer next;
      const OriginModel now(layers);
      AddSteps(random, now, next, i > 0, gentle);
      for (const Step& step : next.steps()) {
        if (step.op == StepOp::kChmod && now.Paths("symlink").size() > 0) {
          const auto links = now.Paths("symlink");
          if (std::find(links.begin(), links.end(), step.path) != links.end()) continue;
        }
        // A layer that changes one of several names of a file breaks the link on a union without an index:
        // what comes after would only show that.
        FuzzStep look;
        look.op = FuzzOp::kReadlink;
        look.path = step.op == StepOp::kLink ? step.target : step.path;
        const bool removes = step.op == StepOp::kRemove || step.op == StepOp::kRemoveAll;
        if (i > 0 && !removes && now.TargetOf(look).type == "linked") continue;
        layers.back().Add(step);
      }
    }
  }
  // A directory of more names than one read of a listing takes.
  if (random.OneIn(12) && !OriginModel(layers).Exists("wide")) {
    Layer& layer = layers[random.Below(layers.size())];
    layer.Dir("wide");
    for (int i = 0; i < 600; ++i) layer.File(fmt::format("wide/{}", i), "");
  }
  return layers;
}

}  // namespace layermark
