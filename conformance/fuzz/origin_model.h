// OriginModel: which names exist, and where each object comes from.
//
// The generator asks it for names that hit something; a deviation is described by it. It predicts nothing: it
// is told after each step whether the step worked on the ordinary directory. So it is cheap, and a mistake in
// it makes a step less interesting, never a verdict wrong. Threads: values.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_ORIGIN_MODEL_H_
#define LAYERMARK_CONFORMANCE_FUZZ_ORIGIN_MODEL_H_

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conformance/fuzz/executor.h"
#include "conformance/fuzz/program.h"

namespace layermark {

// Where an object comes from and what it is, in the words of findings and of accepted deviations:
//   origin  upper (made here), lower (of the lowest layer), middle (of a layer above it), copied (a lower
//           file that was changed here), merged (a directory that several layers have, or that was changed
//           here), whiteout (no such name, but a layer below has one), absent (nor there), none
//   type    regular directory symlink fifo socket device, linked (a file of a layer with several names), none
struct Target {
  std::string origin = "none";
  std::string type = "none";
  bool operator==(const Target&) const = default;
};

class OriginModel {
 public:
  OriginModel() = default;
  explicit OriginModel(const std::vector<Layer>& layers);
  OriginModel(const OriginModel&) = delete;
  OriginModel& operator=(const OriginModel&) = delete;
  OriginModel(OriginModel&&) = default;
  OriginModel& operator=(OriginModel&&) = default;

  // What a step is about to act on. Call it before Apply.
  Target TargetOf(const FuzzStep& step) const;
  // The step was run and ended so on the ordinary directory.
  void Apply(const FuzzStep& step, const Outcome& outcome);

  // How things stand with what a step acts on: fresh, remounted or committed since the last of them, and
  // "open" where a slot holds it.
  std::string StateOf(const FuzzStep& step) const;
  // What happened to a name last: the operation ("chmod"; "create_inside" for a directory in which a name
  // came or went, "change_inside" where something in it was changed; "layers" for what no step touched) and
  // what it acted on.
  struct Change {
    std::string operation = "layers";
    Target target;
  };
  Change LastChange(const std::string& path) const;
  // Relative symlinks only, which is all that a program may make.
  std::string Resolve(const std::string& path, bool follow_last) const;
  // The name that a step acts on, links followed as the operation follows them.
  std::string PathOf(const FuzzStep& step) const;

  // Paths of a kind, for the generator; they change with each Apply.
  std::vector<std::string> Paths(const std::string& type) const;  // "": any but the root
  std::vector<std::string> Directories() const;                   // with the root, ""
  const std::set<std::string>& whiteouts() const { return whiteouts_; }
  bool Exists(const std::string& path) const { return nodes_.contains(path); }
  bool IsDirectory(const std::string& path) const;
  bool SlotOpen(int slot) const { return slots_[static_cast<size_t>(slot)] != nullptr; }

 private:
  struct Object {
    std::string type;
    std::string origin;
    std::string link_target;
    int names = 1;
    bool linked_below = false;
    Change last;  // of the object itself, or of what is in the directory
  };
  using Node = std::shared_ptr<Object>;

  void ApplyLayerStep(const Step& step, const std::string& origin);
  void ApplyChange(const FuzzStep& step, const Outcome& outcome);
  void Note(const std::string& path, const std::string& operation, const Target& target);
  const Object* Find(const std::string& path) const;
  void Add(const std::string& path, const std::string& type, const std::string& origin);
  void Remove(const std::string& path);
  void Move(const std::string& from, const std::string& to);
  void Touch(const std::string& path);
  void TouchParents(const std::string& path);
  void EndSession(bool commit);
  Target Describe(const Object& object) const;

  std::map<std::string, Node> nodes_;
  std::set<std::string> whiteouts_;
  std::map<std::string, Change> gone_;  // the last change of names that are no more
  std::string session_ = "fresh";
  std::array<Node, kFuzzSlots> slots_{};
  std::array<std::string, kFuzzSlots> slot_origins_{};
};

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_ORIGIN_MODEL_H_
