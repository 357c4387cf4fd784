// CallModel: what a right driver answers to a program of calls, and which tree each snapshot shows.
//
// Threads: one. Ownership: values.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_CALL_MODEL_H_
#define LAYERMARK_CONFORMANCE_FUZZ_CALL_MODEL_H_

#include <map>
#include <string>
#include <vector>

#include "conformance/fuzz/calls.h"
#include "scenario/model.h"
#include "scenario/model_snapshotter.h"

namespace layermark {

class CallModel {
 public:
  // What a snapshot shows, and how it came about.
  struct Shown {
    ModelTree tree;
    std::vector<Layer> layers;  // lowest first; the last is what was written since the parent
    bool known = true;          // false after a commit on another parent that the model cannot follow
    bool only_adds = true;      // the last layer made objects and did nothing else
    int64_t made = 0;           // objects of the last layer
  };

  explicit CallModel(bool rebase) : snapshots_(rebase) {}

  // Runs a call of the contract, or a fill, and answers in the words that two right ones share.
  std::string Run(const SnapshotCall& call);

  // active, view, committed or none
  std::string KindOf(const std::string& key);
  // How many things are wrong with a call: where it is more than one, the contract leaves open which error.
  int FaultsOf(const SnapshotCall& call);
  std::vector<Info> All();
  // nullptr: there is no such snapshot.
  const Shown* Of(const std::string& key) const;
  const Shown* ParentOf(const std::string& key);

 private:
  void Follow(const SnapshotCall& call);
  std::string Fill(const SnapshotCall& call);

  ModelSnapshotter snapshots_;
  std::map<std::string, Shown> shown_;
};

bool HasPath(const ModelTree& tree, const std::string& path);

// Asks one side a call of the contract; the answer in words that two right ones share ("OK ...", or the
// code).
std::string AnswerTo(const SnapshotCall& call, Snapshotter& side);

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_CALL_MODEL_H_
