// The operations of the pass-through, by what they are about. Each group fills in its members of
// `operations`.
#ifndef LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_OPERATIONS_H_
#define LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_OPERATIONS_H_

#include "testing/faults/file_system/node.h"

namespace layermark::faults {

void AddLifeOperations(fuse_lowlevel_ops& operations);       // init, destroy, lookup, forget, statfs
void AddCreateOperations(fuse_lowlevel_ops& operations);     // mknod, mkdir, symlink, link, create
void AddRemoveOperations(fuse_lowlevel_ops& operations);     // unlink, rmdir, rename
void AddAttributeOperations(fuse_lowlevel_ops& operations);  // getattr, setattr, readlink, ioctl
void AddXattrOperations(fuse_lowlevel_ops& operations);
void AddDataOperations(fuse_lowlevel_ops& operations);       // open, read, write, fallocate, lseek, ...
void AddDirectoryOperations(fuse_lowlevel_ops& operations);  // opendir, readdir, ...

// Answers with the entry of `node`, whose lookup it holds; null: with `error`.
void ReplyEntry(fuse_req_t request, Node* node, int error);
// Fills in what create answers with. 0 or an errno.
int FillEntry(Node& node, fuse_entry_param* entry);
// The name that `name` is stored under.
std::string StoredName(const char* name);
// 0 or ENAMETOOLONG.
int CheckName(const char* name);
// See Fault::directory_mtime_frozen. Keeps the times of a directory while it lives.
class FrozenDirectory {
 public:
  explicit FrozenDirectory(const Node& directory);
  ~FrozenDirectory();
  FrozenDirectory(const FrozenDirectory&) = delete;
  FrozenDirectory& operator=(const FrozenDirectory&) = delete;

 private:
  const Node& directory_;
  struct stat before_ {};
};

// What a directory or file was removed as; for the faults that bring it back.
void Remember(Node& parent, const char* name, bool directory);
// The removed file that parent/name stands for again, or null.
Node* RemovedChild(const Node& parent, const char* name);
// Names that a directory shows again.
std::set<std::string> RemovedNames(const Node& parent);
// Fault::unlink_undone: hides instead of removing, and brings back at the end.
bool HideInstead(Node& parent, const char* name);
bool IsHidden(const char* name);
void RemoveHidden(Node& parent, const char* name);
void BringBackHidden();

// Takes the user attributes of a file away.
void DropUserAttributes(const Node& node);

// The descriptor of an open file.
inline int Handle(const fuse_file_info* info) {
  return static_cast<int>(info->fh);
}
// The descriptor of an open directory.
int DirectoryHandle(const fuse_file_info* info);

}  // namespace layermark::faults

#endif  // LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_OPERATIONS_H_
