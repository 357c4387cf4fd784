// The workspace: a tmpfs of the run's own, mounted in its private mount namespace over a directory that every
// machine has and the run does not need (/mnt, /media or /srv), so that mount points and scratch files never
// touch the host.
#ifndef LAYERMARK_SCENARIO_WORKSPACE_H_
#define LAYERMARK_SCENARIO_WORKSPACE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace layermark {

// Mounts the workspace. `needed` are paths the run must still see (--out, images, programs): no candidate
// that holds one of them is taken; the working directory, the running program, PATH and the disk directory
// are needed always. `ram_bytes` bounds the tmpfs. kFailedPrecondition says what each candidate holds.
// REQUIRES: a private mount namespace. Once per process tree.
Status CreateWorkspace(const std::vector<std::string>& needed, int64_t ram_bytes);
// Its path, for forked workers too; empty until CreateWorkspace succeeded in this process or an ancestor.
const std::string& WorkspacePath();
// A fresh directory in it.
Result<std::string> WorkspaceDirectory(const std::string& prefix);
// What a run may take: a quarter of the memory available (to the machine and to the control group), at most 4
// GiB.
int64_t RamBudgetBytes();
// The directory of the host for unnamed disk-backed files (--out). Set once by the cli, before any worker;
// until then it is what TMPDIR names, else /var/tmp.
void SetDiskDirectory(const std::string& directory);
const std::string& DiskDirectory();

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_WORKSPACE_H_
