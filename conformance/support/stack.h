// The stack fixture: lowers, upper, work directory and options, mounted by the mechanism of the instance
// under test without a snapshotter. It asks what the API cannot: layers edited between mounts, an upper
// directory used again, other mount options, layers on another file system, stacks on stacks, and what a
// mount must refuse.
//
//   LM_CASE(stack, whiteout_device_hides, ..., .needs = {Capability::layer_stack}) {
//     Stack stack(t);
//     StackSpec spec = stack.Over({stack.Dir("top", Layer().Mknod("f", S_IFCHR, 0)),
//                                  stack.Dir("bottom", Layer().File("f", "hidden"))});
//     MountedSnapshot* mounted = stack.Mount(spec);
//     if (mounted != nullptr) stack.Shows(*mounted, stack.Model(spec), "the union");
//   }
//
// Expectations come from the model: Model() reads the directories as they are, states each as the entries of
// a layer tar (a 0/0 device as a whiteout, an opaque attribute as an opaque marker), and lets
// ModelTree::ApplyTar stack them.
//
// Set-up that fails (a directory that cannot be made) throws std::runtime_error, which the harness takes as
// verdict error; a mount that fails, or is not refused, fails the case. When the fixture goes, it unmounts in
// reverse order, and a mount that is there then and was not before fails the case. Threads: one.
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_STACK_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_STACK_H_

#include <sys/types.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conformance/support/case.h"
#include "core/tree/layer.h"
#include "drivers/driver.h"
#include "scenario/model.h"
#include "scenario/subject.h"

namespace layermark {

// The name of an attribute that a layer's files can have on any file system, tmpfs of older kernels included;
// inside a user namespace, where trusted.* is not for us, one of user.*.
const char* AnAttribute();

class Stack {
 public:
  // A directory for layers on the case's backing. REQUIRES: the case outlives it and needs layer_stack.
  explicit Stack(CaseContext& t);
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack();

  // A new directory of that name that holds `content` as it stands, without any union; its path.
  std::string Dir(const std::string& name, const Layer& content = {});
  // The same below `home` instead of the fixture's own directory.
  std::string DirIn(const std::string& home, const std::string& name, const Layer& content = {});
  // Changes a directory behind the union's back.
  void Edit(const std::string& directory, const Layer& change);
  // The root of one more file system (a tmpfs), apart from the backing.
  std::string OtherFileSystem();
  // A mount of `directory` on which the files of users and groups 0 to 65535 are those of first_id and on;
  // its path. Ends the case as skip, and answers "", where the backing has no id-mapped mounts.
  std::string IdMapped(const std::string& directory, uid_t first_id);

  // The stack of these lowers, topmost first, below a fresh upper and work directory.
  StackSpec Over(std::vector<std::string> lowers);
  // nullptr after a failure, which is the case's.
  MountedSnapshot* Mount(const StackSpec& spec);
  bool Unmount(MountedSnapshot* mounted);
  // Fails unless the mount is refused and leaves nothing mounted. `error`: the errno that it must be, 0: any
  // (a program in user space has none to give).
  void Refused(const StackSpec& spec, int error, const std::string& what);

  // What the directories of `spec` show when they are stacked, its upper (if any) on top.
  ModelTree Model(const StackSpec& spec);
  // Applies `change` to the mount and to the model alike.
  void Change(MountedSnapshot& mounted, ModelTree& model, const Layer& change);
  // Fails unless the mount shows what the model says.
  bool Shows(const MountedSnapshot& mounted, const ModelTree& model, const std::string& what);

  // A text that any change in these directories changes: names, attributes, all extended attributes, content.
  std::string Fingerprint(const std::vector<std::string>& directories);

 private:
  Result<std::vector<layermark::Mount>> Mounts(const StackSpec& spec);
  std::set<int> MountIds();

  CaseContext& t_;
  std::string home_;
  std::set<int> before_;
  int stacks_ = 0;
  std::vector<std::string> own_mounts_;  // other than stacks
  std::vector<std::unique_ptr<MountedSnapshot>> mounted_;
};

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_STACK_H_
