// Driver: what a folder under drivers/ offers to the rest of layermark.
//
// A Driver is stateless and lives for ever; an instance is a driver with options ("overlay2:metacopy=on").
// Each folder's driver.cc defines `const Driver& LAYERMARK_DRIVER_ENTRY()` in namespace layermark; the
// registry is generated from the folder names.
#ifndef LAYERMARK_DRIVERS_DRIVER_H_
#define LAYERMARK_DRIVERS_DRIVER_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/capability.h"
#include "core/result.h"
#include "core/sys/mount.h"
#include "drivers/snapshotter.h"

namespace layermark {

using DriverOptions = std::map<std::string, std::string>;

struct OptionRow {
  std::string name;                 // "metacopy"
  std::vector<std::string> values;  // allowed values; empty: any
  std::string sentence;             // for --help
  bool required = false;  // without it there is no instance; such a driver runs only where it is named
  std::string or_else{};  // of a required one: another option that does in its place
};

// What one snapshot keeps on the backing file system, so that inodes can be counted beforehand:
//   inodes(store) = per_store + sum over snapshots of (per_snapshot + distinct inodes of what it stores)
//                 + sum over mounted active snapshots of per_mounted_active
struct InodeFormula {
  enum class Stores {
    kOwnLayer,  // the entries of its own layer; whiteouts as `whiteouts` says
    kFullTree,  // every file and directory that it shows
    kLinkFarm,  // every directory that it shows; of other entries those of its own layer
    kImage,     // one file, whatever the layer holds: counted in per_snapshot
  };
  enum class Whiteouts {
    kNone,
    kOneEach,
    kOneShared,  // one inode for all names removed during one mount; a rename makes a whiteout of its own
  };
  Stores stores = Stores::kFullTree;
  Whiteouts whiteouts = Whiteouts::kNone;
  // The store's own directories and database files, the root not counted.
  int64_t per_store = 0;
  // Directories beside the snapshot's tree (its root directory belongs to the tree).
  int64_t per_snapshot = 0;
  // More for each active snapshot with a parent that was mounted.
  int64_t per_mounted_active = 0;
  // false: a view of a parent takes no inode at all; true: it is like an active snapshot.
  bool view_stores_tree = false;
  // Marker files of a union program: for each directory of the snapshot's own layer that no layer below has,
  // and one more kind for those of them whose parent directory a layer below does have.
  int64_t per_new_directory = 0;
  int64_t per_new_directory_in_old = 0;
  // true: removing one name of a file that a lower layer has under several copies the file up under another
  // of them, if that lies in a directory the mount has looked into.
  bool removal_copies_linked_file = false;
  // What per_store and per_snapshot are made of. Empty: no formula.
  std::string explanation;
};

// What an instance says of itself.
struct Declaration {
  CapabilitySet capabilities;  // a claim obliges
  // true: what it does not claim it does not do; a probe that succeeds beyond it is a fault of the
  // declaration. false: a floor; what probes true beyond it is run as well.
  bool complete = true;
  std::string version;         // empty: not known
  InodeFormula inode_formula;  // capability inodes_foretold where it has an explanation
};

// The parts of a union for the stack fixture; topmost lower first.
struct StackSpec {
  std::vector<std::string> lowers;
  std::string upper;  // empty: read-only
  std::string work;
  std::vector<std::string> options;
};

class Driver {
 public:
  virtual ~Driver() = default;

  virtual std::string name() const = 0;             // the folder's name
  virtual std::string summary() const = 0;          // one line: what it is
  virtual std::string default_backing() const = 0;  // "ext4", "xfs", "btrfs", "tmpfs"
  virtual std::vector<OptionRow> options() const { return {}; }
  // Whether a run that names no driver takes this one where it has minutes and not hours (profiles smoke and
  // quick).
  virtual bool in_short_runs() const { return true; }
  // Option sets that conformance runs too where no driver is named: where what is right depends on options,
  // one instance without any does not tell. Workloads run without options alone.
  virtual std::vector<DriverOptions> further_checked_options() const { return {}; }
  // What an instance is given on top of what it states where it runs in a user namespace.
  virtual DriverOptions options_in_a_user_namespace() const { return {}; }
  // What this instance claims on this kind of backing. A claim obliges.
  virtual CapabilitySet capabilities(const DriverOptions& options, const std::string& backing) const = 0;
  // Without explanation: the driver cannot foretell its inodes.
  virtual InodeFormula inode_formula(const DriverOptions& options) const = 0;
  // All that the instance says of itself, on this kind of backing. The default puts together the functions
  // above and Version. A driver that has to ask someone else may do so in `directory`, which is empty or a
  // store of its own, and leaves nothing there. Errors: nobody answered as agreed.
  virtual Result<Declaration> Declare(const DriverOptions& options, const std::string& backing,
                                      const std::string& directory) const;
  // The longest that one call may take before the driver gives it up by itself; a case gets that much more
  // time, so that the reason is the driver's. 0: calls have no deadline of their own.
  virtual std::chrono::milliseconds call_deadline(const DriverOptions&) const {
    return std::chrono::milliseconds(0);
  }
  // true: opening a store, and whatever else asks the driver, starts threads that live as long as the
  // process, so that a process which is to fork workers leaves all of it to a child.
  virtual bool keeps_threads() const { return false; }
  // true: a daemon keeps the snapshots, and not below the root that Open is given. Mounts that it makes while
  // a run goes on must be seen, and the run's backing neither grows with them nor bounds them.
  virtual bool behind_a_daemon() const { return false; }
  // Kills the daemon and starts it again, by the command that the options give; ok once it answers. Where a
  // run may ask for it (capability daemon_restart), StartOutside was called before. kUnimplemented: there is
  // no such daemon.
  virtual Status Restart(const DriverOptions& options) const;
  // Absolute paths that the options name and that a run must still see. The default: the values that are
  // paths.
  virtual std::vector<std::string> NeededPaths(const DriverOptions& options) const;

  // Tries, on an empty directory of the backing file system, the very mechanism (mounts, makes a subvolume,
  // runs the program). Ok: can run here. Otherwise the call and errno that said no. Leaves nothing behind.
  virtual Status Probe(const DriverOptions& options, const std::string& directory) const = 0;
  // Version of the program or kernel part behind it ("fuse-overlayfs 1.10", "Linux 6.18.44").
  virtual Result<std::string> Version(const DriverOptions& options) const = 0;
  // Opens (or makes) the store below `root`, an existing directory that is the driver's alone. Reopening
  // after a crash finds every committed snapshot.
  virtual Result<std::unique_ptr<Snapshotter>> Open(const DriverOptions& options,
                                                    const std::string& root) const = 0;
  // Removes what the store below `root` keeps outside of it. REQUIRES: it is closed and nothing of it is
  // mounted. Nothing is left to do where all of a store lies below its root.
  virtual Status Forget(const DriverOptions& options, const std::string& root) const;
  // Removes what runs left outside, of those that have ended (were killed, say), and answers what it was.
  // Called by `layermark clean`, and at the end of a run, when no store of it is open any more.
  // kUnimplemented: a driver that keeps nothing there.
  virtual Result<std::vector<std::string>> Sweep(const DriverOptions& options) const;
  // The mounts of a hand-made union; kUnimplemented without the capability layer_stack.
  virtual Result<std::vector<Mount>> StackMounts(const DriverOptions& options, const StackSpec& spec) const;
};

// NAME[:k=v[,k=v]...] with \, and \\ as escapes.
struct InstanceSpec {
  const Driver* driver = nullptr;
  DriverOptions options;
  std::string name() const;       // "overlay2:index=on,metacopy=on": keys sorted, values escaped
  std::string test_name() const;  // "overlay2__index_on__metacopy_on": [a-z0-9_]+
  // "" or what to add: "driver exec needs the option command=...: the program ...".
  std::string WhatIsMissing() const;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_DRIVER_H_
