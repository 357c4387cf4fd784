// Attribute rules of the model: what Linux does to mode, xattrs and ids of an inode when root changes them.
#ifndef LAYERMARK_SCENARIO_MODEL_ATTRIBUTES_H_
#define LAYERMARK_SCENARIO_MODEL_ATTRIBUTES_H_

#include <string>
#include <string_view>

#include "core/result.h"
#include "scenario/model_store.h"

namespace layermark {

// A new inode as its directory makes it: the group of a set-gid directory, the ACLs of one with a default
// ACL. The mode is the one asked for, exactly: no umask.
ModelInode ModelNewInode(const ModelInode& directory, FileType type, mode_t permissions, int64_t mtime_ns);

// chmod; an access ACL follows. REQUIRES: not a symlink.
void ModelChmod(ModelInode* inode, mode_t permissions);
// chown; -1 leaves an id alone. Set-id bits and capabilities of anything but a directory fall.
void ModelChown(ModelInode* inode, uid_t uid, gid_t gid);
// The content was changed: capabilities fall. (Set-id bits stay, for root.)
void ModelContentChanged(ModelInode* inode);
// setxattr and removexattr, with the kernel's errno. `path` is for the message.
Status ModelSetXattr(ModelInode* inode, const std::string& path, const std::string& name,
                     std::string_view value);
Status ModelRemoveXattr(ModelInode* inode, const std::string& path, const std::string& name);

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_MODEL_ATTRIBUTES_H_
