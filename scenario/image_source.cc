#include "scenario/image_source.h"

#include <sys/stat.h>

#include <utility>

#include "core/oci/unnamed_file.h"
#include "core/tree/manifest.h"

namespace layermark {

struct ImageSource::Content {
  std::string name;
  std::string digest;
  ImageConfig config;
  std::vector<Fd> layers;
  std::vector<int64_t> layer_bytes;
  std::vector<std::string> diff_ids, chain_ids;
};

Result<ImageSource> ImageSource::Make(std::shared_ptr<Content> content) {
  for (size_t i = 0; i < content->layers.size(); ++i) {
    struct stat st;
    if (fstat(content->layers[i].get(), &st) != 0) return Status::Errno("stat", content->name);
    content->layer_bytes.push_back(st.st_size);
    content->chain_ids.push_back(i == 0 ? content->diff_ids[0]
                                        : Sha256(content->chain_ids[i - 1] + " " + content->diff_ids[i]));
  }
  ImageSource source;
  source.content_ = std::move(content);
  return source;
}

Result<ImageSource> ImageSource::FromReference(const std::string& reference) {
  LM_ASSIGN(const Image image, Image::Open(reference));
  auto content = std::make_shared<Content>();
  content->name = reference;
  content->digest = image.manifest_digest();
  content->config = image.config();
  for (size_t i = 0; i < image.layers().size(); ++i) {
    LM_ASSIGN(Fd layer, image.OpenLayer(i));
    content->layers.push_back(std::move(layer));
    content->diff_ids.push_back(image.layers()[i].diff_id);
  }
  return Make(std::move(content));
}

Result<ImageSource> ImageSource::FromSpec(const ImageSpec& spec) {
  LM_ASSIGN(GeneratedImage image, GenerateImage(spec));
  auto content = std::make_shared<Content>();
  content->name = ToString(spec);
  content->digest = std::move(image.digest);
  content->config = std::move(image.config);
  content->layers = std::move(image.layer_tars);
  content->diff_ids = std::move(image.diff_ids);
  return Make(std::move(content));
}

size_t ImageSource::layer_count() const {
  return content_->layers.size();
}
Result<Fd> ImageSource::OpenLayer(size_t index) const {
  return Reopen(content_->layers.at(index).get());
}
int64_t ImageSource::layer_bytes(size_t index) const {
  return content_->layer_bytes.at(index);
}
const std::string& ImageSource::diff_id(size_t index) const {
  return content_->diff_ids.at(index);
}
const std::string& ImageSource::chain_id(size_t index) const {
  return content_->chain_ids.at(index);
}
const std::string& ImageSource::digest() const {
  return content_->digest;
}
const ImageConfig& ImageSource::config() const {
  return content_->config;
}
const std::string& ImageSource::name() const {
  return content_->name;
}

}  // namespace layermark
