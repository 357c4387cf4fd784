// Area xattr: the attributes by which a union marks its layers are its own.
#include <fmt/core.h>

#include <string>
#include <vector>

#include "conformance/support/case.h"
#include "core/sys/fd.h"

namespace layermark {
namespace {

Layer Base() {
  return Layer()
      .Dir("d", 0750)
      .File("d/f", "content of the lower file", 0640)
      .Chown("d/f", 33, 44)
      .File("g", std::string(20000, 'g'))
      .File("h", "h")
      .Symlink("l", "h")
      .Fifo("p")
      .Times("d/f", 111'000'000'123, 222'000'000'456);
}

}  // namespace

LM_CASE(
    xattr, nothing_of_the_unions_own_is_listed,
    .claim =
        "after every kind of change the lists of attributes hold what was set and nothing of the union's own",
    .source = "properties 41; L35; ovl/011; fo:xattr", .needs = {Capability::xattr_user}) {
  t.Given({Base().SetXattr("h", "user.mine", "1"), Layer().File("d/g", "x").Dir("e").File("e/x", "x")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  t.Ok(ApplyLayer(Layer()
                      .Write("d/f", 0, "C")
                      .Chmod("h", 0600)
                      .RemoveAll("e")
                      .Dir("e")
                      .File("new", "n")
                      .Chmod("d", 0700)
                      .SetXattr("new", "user.own", "2")
                      .Link("h2", "h"),
                  snapshot->root_fd()),
       "a change");
  const auto look = [&](const std::string& when) {
    Result<Manifest> tree = ReadManifest(snapshot->root_fd());
    if (!t.Ok(tree, "reading")) return;
    for (const auto& [path, entry] : tree->entries) {
      Result<std::vector<std::string>> names =
          ListXattrNamesAt(snapshot->root_fd(), path.empty() ? "." : path);
      if (!t.Ok(names, "list of " + path)) continue;
      for (const std::string& name : *names)
        t.Check(name.find("overlay") == std::string::npos,
                fmt::format("{}: \"{}\" lists {}", when, path, name));
    }
  };
  look("mounted");
  if (t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) look("mounted again");
}

LM_CASE(xattr, a_users_overlay_attribute_marks_nothing,
        .claim =
            "an attribute with a union's name that a user sets makes nothing opaque and hides nothing, now "
            "or later",
        .source = "properties 41; L35; ovl/084; peer-checks C99", .needs = {Capability::xattr_trusted}) {
  t.Given({Base(), Layer().File("d/upper", "u")});
  MountedSnapshot* snapshot = t.PrepareOnGiven("a");
  if (snapshot == nullptr) return;
  for (const char* prefix : {"trusted.overlay.", "user.overlay."}) {
    (void)SetXattrAt(snapshot->root_fd(), "d", std::string(prefix) + "opaque", "y");
    (void)SetXattrAt(snapshot->root_fd(), "h", std::string(prefix) + "whiteout", "y");
    (void)SetXattrAt(snapshot->root_fd(), "d", std::string(prefix) + "redirect", "/nowhere");
    (void)SetXattrAt(snapshot->root_fd(), "h", std::string(prefix) + "metacopy", "");
  }
  // Times of what was touched, and attributes that were kept, are not the claim.
  const auto look = [&](const MountedSnapshot& mounted, const std::string& when) {
    Ops fs(mounted.root_fd());
    t.Equal(std::string("content of the lower file"), fs.Read("d/f"), when + ": the lower file");
    t.Equal(std::string("u"), fs.Read("d/upper"), when + ": the upper file");
    t.Equal(std::string("h"), fs.Read("h"), when + ": the other file");
    Result<std::vector<std::string>> names = ListDir(mounted.root_fd(), "d");
    if (t.Ok(names, "list")) t.Equal(size_t{2}, names->size(), when + ": names");
  };
  look(*snapshot, "mounted");
  if (!t.Ok(snapshot->Remount(t.api()), "unmount and mount again")) return;
  look(*snapshot, "mounted again");
  if (!t.Ok(snapshot->Unmount(), "unmount") || !t.Ok(t.api().Commit("c", "a"), "commit")) return;
  Result<MountedSnapshot> next = t.subject().Prepare("next", "c");
  if (t.Ok(next, "prepare")) look(*next, "committed and prepared on");
}

}  // namespace layermark
