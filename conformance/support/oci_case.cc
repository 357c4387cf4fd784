#include "conformance/support/oci_case.h"

#include <fmt/core.h>

#include <chrono>
#include <utility>

#include "core/oci/unnamed_file.h"
#include "scenario/model.h"

namespace layermark {
namespace {

Result<Fd> OpenTar(const Tar& entries) {
  const std::string bytes = BuildTar(entries);
  LM_ASSIGN(Fd fd, UnnamedFile(static_cast<int64_t>(bytes.size())));
  LM_TRY(PWriteAll(fd.get(), bytes, 0));
  return fd;
}

Status ApplyToModel(ModelTree* model, const Tar& entries) {
  LM_ASSIGN(Fd fd, OpenTar(entries));
  LM_ASSIGN(std::vector<TarListEntry> list, ListTar(fd.get(), true));
  return model->ApplyTar(list);
}

Status ApplyToDriver(CaseContext& t, const std::string& name, const std::string& parent, const Tar& entries) {
  LM_ASSIGN(Fd fd, OpenTar(entries));
  return t.subject().CommitTar(name, parent, fd.get()).status();
}

std::string LayerName(size_t index) {
  return fmt::format("layer{}", index);
}

bool SameAsModel(CaseContext& t, const ModelTree& model, const std::string& name) {
  Result<Manifest> seen = t.subject().ViewManifest(name);
  if (!t.Ok(seen, "viewing " + name)) return false;
  Manifest expected = model.ToManifestFor(*seen);
  // A root that no tar gave a time has that of its making.
  if (Entry& root = expected.entries[""]; root.mtime_ns == 0) {
    // Not time(), which may still be in the second before.
    root.mtime_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  return t.SameTree(expected, *seen, name + " is not what the model says");
}

}  // namespace

TarEntry FileEntry(std::string path, std::string data, mode_t mode) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.data = std::move(data);
  entry.mode = mode;
  return entry;
}

TarEntry DirEntry(std::string path, mode_t mode) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.typeflag = '5';
  entry.mode = mode;
  return entry;
}

TarEntry SymlinkEntry(std::string path, std::string target) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.typeflag = '2';
  entry.mode = 0777;
  entry.link_target = std::move(target);
  return entry;
}

TarEntry LinkEntry(std::string path, std::string existing) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.typeflag = '1';
  entry.link_target = std::move(existing);
  return entry;
}

TarEntry DeviceEntry(std::string path, char typeflag, unsigned dev_major, unsigned dev_minor) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.typeflag = typeflag;
  entry.mode = 0620;
  entry.dev_major = dev_major;
  entry.dev_minor = dev_minor;
  return entry;
}

TarEntry FifoEntry(std::string path) {
  TarEntry entry;
  entry.path = std::move(path);
  entry.typeflag = '6';
  return entry;
}

TarEntry Whiteout(const std::string& parent, const std::string& name) {
  TarEntry entry = FileEntry(parent.empty() ? ".wh." + name : parent + "/.wh." + name, "", 0);
  entry.mtime_ns = 0;
  return entry;
}

TarEntry Opaque(const std::string& directory) {
  return Whiteout(directory, ".wh..opq");
}

TarEntry With(TarEntry entry, const Xattr& xattr) {
  entry.xattrs.push_back(xattr);
  return entry;
}

TarEntry Owned(TarEntry entry, uid_t uid, gid_t gid) {
  entry.uid = uid;
  entry.gid = gid;
  return entry;
}

TarEntry At(TarEntry entry, int64_t mtime_ns) {
  entry.mtime_ns = mtime_ns;
  return entry;
}

Xattr CapabilityXattr(uint32_t permitted) {
  std::string value(20, '\0');
  value[3] = 2;  // VFS_CAP_REVISION_2 in the high byte; all numbers little-endian
  for (size_t i = 0; i < 4; ++i) value[4 + i] = static_cast<char>(permitted >> (8 * i) & 0xff);
  return {"security.capability", value};
}

std::string SameLayersAsModel(CaseContext& t, const std::vector<Tar>& layers) {
  std::vector<ModelTree> after;
  for (const Tar& layer : layers) {
    ModelTree model = after.empty() ? ModelTree() : after.back();
    if (Status s = ApplyToModel(&model, layer); !s.ok()) {
      t.Error(fmt::format("the model cannot take layer {}: {}", after.size(), s.ToString()));
      return "";
    }
    after.push_back(std::move(model));
  }
  std::string parent;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!t.Ok(ApplyToDriver(t, LayerName(i), parent, layers[i]), fmt::format("layer {}", i))) return "";
    parent = LayerName(i);
  }
  for (size_t i = 0; i < layers.size(); ++i) (void)SameAsModel(t, after[i], LayerName(i));
  return parent;
}

void RefusedAsByModel(CaseContext& t, const std::vector<Tar>& layers) {
  std::vector<Tar> good = layers;
  good.pop_back();
  ModelTree model;
  for (const Tar& layer : good) {
    if (Status s = ApplyToModel(&model, layer); !s.ok()) return t.Error("the model: " + s.ToString());
  }
  const std::string parent = SameLayersAsModel(t, good);
  if (t.ended()) return;
  ModelTree spoilt = model;
  const Status expected = ApplyToModel(&spoilt, layers.back());
  if (expected.ok()) return t.Error("the model does not refuse the tar, there is nothing to compare with");
  const Status seen = ApplyToDriver(t, "refused", parent, layers.back());
  t.HasCode(seen, expected.code(), "the tar that the rules forbid");
  t.HasCode(t.api().Stat("refused").status(), Code::kNotFound, "the snapshot of a refused tar");
  if (!parent.empty()) (void)SameAsModel(t, model, parent);
}

}  // namespace layermark
