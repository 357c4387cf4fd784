// The plan of a synthetic image: which entries each layer holds. Internal to the generator.
#ifndef LAYERMARK_SCENARIO_IMAGE_PLAN_H_
#define LAYERMARK_SCENARIO_IMAGE_PLAN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/oci/layer_tar.h"
#include "scenario/image_generator.h"
#include "scenario/image_random.h"

namespace layermark {

struct PlannedEntry {
  TarEntry entry;  // without its data
  int64_t size_bytes = 0;
  uint64_t content_seed = 0;
  bool text = false;
};

// Makes the layers one after the other, and keeps the tree they add up to, to choose from it.
class ImagePlan {
 public:
  explicit ImagePlan(const ImageSpec& spec);
  // The next layer's entries in the order of the tar. Call spec.layers times.
  std::vector<PlannedEntry> NextLayer();

 private:
  void AddSkeleton();
  void AddDirectory();
  void AddFiles(size_t count);
  void AddLinks(size_t count);
  void RewriteFiles(size_t count);
  void HideFiles(size_t count);
  void HideDirectory();
  void MakeOpaque();

  PlannedEntry NewDirectory(const std::string& path, mode_t mode);
  int64_t NewTime();
  // Puts the object into the tree and into the layer, with the directories on the way to it.
  void Put(PlannedEntry planned);
  void PutMarker(const std::string& directory, const std::string& name);
  void ListParents(const std::string& path);
  // A directory or file that still exists and that this layer has not touched; empty if none is found.
  std::string PickDirectory();
  std::string PickFile();
  bool TouchedBelow(const std::string& path) const;
  void RemoveBelow(const std::string& path);

  ImageSpec spec_;
  ImageRandom random_;
  std::vector<int64_t> sizes_;
  size_t next_size_ = 0;
  int layer_ = 0;
  int made_directories_ = 0;
  int made_names_ = 0;
  std::map<std::string, PlannedEntry> tree_;           // by path
  std::map<std::string, PlannedEntry> layer_entries_;  // by a key that sorts as the tar wants it
  std::vector<std::string> directories_, files_;       // all that were ever made; some are gone
  size_t skeleton_ = 0;                                // directories_ before this index are never hidden
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_IMAGE_PLAN_H_
