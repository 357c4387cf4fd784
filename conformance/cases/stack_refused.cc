// Area stack: stacks that a mount must refuse, leaving nothing behind.
#include <fmt/core.h>

#include <cerrno>
#include <string>
#include <vector>

#include "conformance/support/case.h"
#include "conformance/support/stack.h"

namespace layermark {
namespace {

Layer Base() {
  return Layer().Dir("d").File("d/a", "a of the lower").File("f", "f of the lower");
}

// The errno that a mount by the kernel gives; a program in user space has none to give.
int IfKernel(const CaseContext& t, int error) {
  return t.Has(Capability::kernel_overlay) ? error : 0;
}

}  // namespace

LM_CASE(stack, one_lower_more_than_the_limit_is_refused,
        .claim = "the kernel mounts at most 500 lowers: 501 are refused with EINVAL",
        .source = "properties 139; no peer",
        .needs = {Capability::layer_stack, Capability::kernel_overlay, Capability::layers_500}) {
  Stack stack(t);
  std::vector<std::string> lowers;
  for (int i = 0; i < 501; ++i) lowers.push_back(stack.Dir(fmt::format("l{}", i)));
  stack.Refused(stack.Over(lowers), EINVAL, "501 lowers");
  stack.Refused({lowers, "", "", {}}, EINVAL, "501 lowers without an upper");
  lowers.pop_back();
  if (MountedSnapshot* mounted = stack.Mount(stack.Over(lowers)); mounted != nullptr) stack.Unmount(mounted);
}

LM_CASE(stack, third_level_of_stacks_is_refused,
        .claim = "the kernel stacks two levels of overlays, and refuses the third with EINVAL",
        .source = "properties 137; FILESYSTEM_MAX_STACK_DEPTH",
        .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  MountedSnapshot* first = stack.Mount(stack.Over({stack.Dir("lower", Base())}));
  if (first == nullptr) return;
  MountedSnapshot* second = stack.Mount(stack.Over({first->path()}));
  if (second == nullptr) return;
  stack.Refused(stack.Over({second->path()}), EINVAL, "a third level");
}

LM_CASE(stack, missing_layer_is_refused,
        .claim = "a lower, upper or work directory that does not exist, or is a file, is refused",
        .source = "kernel overlayfs.rst; no peer", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base());
  const std::string before = stack.Fingerprint({lower});
  const StackSpec good = stack.Over({lower});
  // Of a file the old mount call says ENOTDIR, the new one EINVAL.
  for (const auto& [name, error] :
       {std::pair<std::string, int>{"/missing", ENOENT}, std::pair<std::string, int>{"/f", 0}}) {
    StackSpec spec = good;
    spec.lowers = {lower, lower + name};
    stack.Refused(spec, IfKernel(t, error), "the last lower " + name);
    spec = good;
    spec.upper = lower + name;
    stack.Refused(spec, IfKernel(t, error), "the upper " + name);
    spec = good;
    spec.work = lower + name;
    stack.Refused(spec, IfKernel(t, error), "the work directory " + name);
  }
  t.Equal(before, stack.Fingerprint({lower}), "the lower, before and after");
}

LM_CASE(stack, work_on_another_file_system_is_refused,
        .claim = "upper and work directory on different file systems are refused",
        .source = "properties 137; ovl/022", .needs = {Capability::layer_stack}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  spec.work = stack.DirIn(stack.OtherFileSystem(), "work");
  stack.Refused(spec, IfKernel(t, EINVAL), "a work directory on another file system");
}

LM_CASE(
    stack, overlapping_upper_and_work_are_refused,
    .claim =
        "a work directory inside the upper, the upper inside it, or both the same, is refused with EINVAL",
    .source = "properties 137; properties 138; ovl/065",
    .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  const StackSpec good = stack.Over({stack.Dir("lower", Base())});
  StackSpec spec = good;
  spec.work = stack.DirIn(good.upper, "work");
  stack.Refused(spec, EINVAL, "the work directory inside the upper");
  spec = good;
  spec.upper = stack.DirIn(good.work, "upper");
  stack.Refused(spec, EINVAL, "the upper inside the work directory");
  spec = good;
  spec.work = spec.upper;
  stack.Refused(spec, EINVAL, "one directory as upper and work directory");
}

LM_CASE(stack, lower_inside_a_lower_is_refused,
        .claim = "a lower that lies inside another, or is given twice, is refused with ELOOP",
        .source = "properties 138; ovl/065", .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base());
  stack.Refused(stack.Over({lower + "/d", lower}), ELOOP, "a lower above the one that holds it");
  stack.Refused(stack.Over({lower, lower + "/d"}), ELOOP, "a lower below the one that holds it");
  stack.Refused(stack.Over({lower, lower}), ELOOP, "a lower given twice");
}

LM_CASE(stack, upper_on_a_stack_is_refused, .claim = "an overlay cannot be the upper of another: EINVAL",
        .source = "properties 137; ovl/024", .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base());
  MountedSnapshot* inner = stack.Mount(stack.Over({lower}));
  if (inner == nullptr) return;
  const StackSpec spec{{stack.Dir("other", Base())},
                       stack.DirIn(inner->path(), "upper"),
                       stack.DirIn(inner->path(), "work"),
                       {}};
  stack.Refused(spec, EINVAL, "an upper on an overlay");
}

LM_CASE(
    stack, directories_in_use_are_refused_with_an_index,
    .claim =
        "with index=on an upper or work directory that another mount uses is refused with EBUSY, and free "
        "again after its unmount",
    .source = "properties 68; properties 145; ovl/036",
    .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  const std::string lower = stack.Dir("lower", Base());
  StackSpec spec = stack.Over({lower}), other = stack.Over({lower});
  spec.options = other.options = {"index=on"};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr) return;
  stack.Refused({{lower}, spec.upper, other.work, {"index=on"}}, EBUSY, "the upper of another mount");
  stack.Refused({{lower}, other.upper, spec.work, {"index=on"}}, EBUSY,
                "the work directory of another mount");
  ModelTree model = stack.Model(spec);
  stack.Change(*mounted, model, Layer().Write("f", 0, "F"));
  stack.Shows(*mounted, model, "the first mount after the refusals");
  if (!stack.Unmount(mounted)) return;
  mounted = stack.Mount(spec);
  if (mounted != nullptr) stack.Shows(*mounted, model, "mounted again");
}

LM_CASE(stack, upper_belongs_to_its_lower_with_an_index,
        .claim = "with index=on an upper that was used above one lower is refused above another with ESTALE",
        .source = "properties 68; ovl/037", .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  spec.options = {"index=on"};
  MountedSnapshot* mounted = stack.Mount(spec);
  if (mounted == nullptr || !stack.Unmount(mounted)) return;
  StackSpec wrong = spec;
  wrong.lowers = {stack.Dir("another", Base())};
  stack.Refused(wrong, ESTALE, "another lower");
  mounted = stack.Mount(spec);
  if (mounted != nullptr) stack.Shows(*mounted, stack.Model(spec), "its own lower");
}

LM_CASE(stack, options_that_exclude_each_other_are_refused,
        .claim = "options of the kernel's overlay that contradict each other are refused with EINVAL",
        .source = "properties 142; ovl/085", .needs = {Capability::layer_stack, Capability::kernel_overlay}) {
  Stack stack(t);
  StackSpec spec = stack.Over({stack.Dir("lower", Base())});
  for (const std::vector<std::string>& options : std::vector<std::vector<std::string>>{
           {"metacopy=on", "redirect_dir=off"},
           {"metacopy=on", "nfs_export=on", "index=on"},
           {"nfs_export=on", "index=off"},
           {"userxattr", "redirect_dir=on"},
           {"userxattr", "metacopy=on"},
           {"layermark_no_such_option=1"},
       }) {
    spec.options = options;
    std::string text;
    for (const std::string& word : options) text += (text.empty() ? "" : ",") + word;
    stack.Refused(spec, EINVAL, text);
  }
}

}  // namespace layermark
