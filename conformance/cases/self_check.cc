// Area self_check: the harness distrusts its own eyes. Each case shows it two things that differ and demands
// that it sees it.
#include <fmt/core.h>

#include "conformance/support/case.h"

namespace layermark {
namespace {

const Layer kTree = Layer()
                        .Dir("d", 0750)
                        .File("d/f", "content", 0640)
                        .Chown("d/f", 3, 4)
                        .SetXattr("d/f", "user.a", "1")
                        .File("d/g", "other")
                        .Link("d/h", "d/g")
                        .Symlink("l", "target")
                        .Fifo("p");

// Builds kTree and then `change` on an ordinary directory of the backing; the comparison with kTree alone
// must name `field`.
void MustSee(CaseContext& t, const std::string& field, const Layer& change) {
  Manifest manifests[2];
  for (int i = 0; i < 2; ++i) {
    Result<std::string> directory = t.backing().NewDirectory("self");
    if (!t.Ok(directory, "directory")) return;
    Result<Fd> root = Open(*directory, O_RDONLY | O_DIRECTORY);
    if (!t.Ok(root, "open")) return;
    Layer whole = kTree;
    if (i == 1) {
      for (const Step& step : change.steps()) whole.Add(step);
    }
    if (!t.Ok(ApplyLayer(whole.Times("", 1, 1), root->get()), "apply")) return;
    Result<Manifest> manifest = ReadManifest(root->get());
    if (!t.Ok(manifest, "reading")) return;
    manifests[i] = *manifest;
    t.Ok(RemoveTree(*directory), "removing");
  }
  bool seen = false;
  for (const Difference& d : Compare(manifests[0], manifests[1])) seen = seen || d.field == field;
  t.Check(seen, "the comparison does not see a difference of " + field);
  t.Check(Compare(manifests[0], manifests[0]).empty(),
          "the comparison sees a difference between a tree and itself");
}

}  // namespace

LM_CASE(self_check, comparison_sees_content, .claim = "the comparison of two trees sees a changed byte",
        .source = "design: the harness distrusts") {
  MustSee(t, "digest", Layer().Write("d/f", 0, "C").Times("d/f", 1, 1));
}
LM_CASE(self_check, comparison_sees_size, .claim = "the comparison sees another size",
        .source = "design: the harness distrusts") {
  MustSee(t, "size", Layer().Truncate("d/f", 3));
}
LM_CASE(self_check, comparison_sees_permissions, .claim = "the comparison sees another mode",
        .source = "design: the harness distrusts") {
  MustSee(t, "permissions", Layer().Chmod("d/f", 04640));
}
LM_CASE(self_check, comparison_sees_owners, .claim = "the comparison sees another owner and group",
        .source = "design: the harness distrusts", .needs = {Capability::priv_chown}) {
  MustSee(t, "uid", Layer().Chown("d/f", 5, 4));
  MustSee(t, "gid", Layer().Chown("l", 0, 9));
}
LM_CASE(self_check, comparison_sees_a_nanosecond,
        .claim = "the comparison sees an mtime that differs by one nanosecond",
        .source = "design: the harness distrusts") {
  MustSee(t, "mtime", Layer().Times("l", 1, kDefaultMtimeNs + 1));
  MustSee(t, "mtime", Layer().Times("d", 1, 7));
}
LM_CASE(self_check, comparison_sees_attributes,
        .claim = "the comparison sees a lost and a changed extended attribute",
        .source = "design: the harness distrusts", .needs = {Capability::xattr_user}) {
  MustSee(t, "xattr:user.a", Layer().RemoveXattr("d/f", "user.a"));
  MustSee(t, "xattr:user.a", Layer().SetXattr("d/f", "user.a", "2"));
  MustSee(t, "xattr:user.b", Layer().SetXattr("d", "user.b", ""));
}
LM_CASE(self_check, comparison_sees_links,
        .claim = "the comparison sees that two names are no longer one file",
        .source = "design: the harness distrusts") {
  MustSee(t, "link_group", Layer().Remove("d/h").File("d/h", "other"));
}
LM_CASE(self_check, comparison_sees_types_and_targets,
        .claim = "the comparison sees another type, target, and missing or additional names",
        .source = "design: the harness distrusts") {
  MustSee(t, "type", Layer().Remove("p").File("p", ""));
  MustSee(t, "link_target", Layer().Remove("l").Symlink("l", "targeT"));
  MustSee(t, "missing", Layer().Remove("p"));
  MustSee(t, "unexpected", Layer().File("new", ""));
}

}  // namespace layermark
