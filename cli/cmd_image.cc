// image: build, inspect and generate images.
#include <fcntl.h>
#include <fmt/core.h>

#include <unistd.h>
#include <limits>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/session.h"
#include "cli/table.h"
#include "core/oci/image.h"
#include "core/oci/layer_tar.h"
#include "core/oci/unnamed_file.h"
#include "core/sys/fd.h"
#include "scenario/image_census.h"
#include "scenario/image_generator.h"
#include "scenario/image_source.h"

namespace layermark {
namespace {

ImageSpec SpecFor(const CommonOptions& options) {
  ImageSpec spec = options.profile == "smoke"  ? SmokeSpec()
                   : options.profile == "full" ? FullSpec()
                                               : QuickSpec();
  spec.seed = options.seed;
  return spec;
}

std::string Words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& w : words) text += (text.empty() ? "" : " ") + w;
  return text.empty() ? "-" : text;
}

int Inspect(const CommonOptions& options) {
  Result<ImageSource> image = OpenRunImage(options);
  if (!image.ok()) return UsageError(image.status());
  Result<std::vector<LayerCensus>> census = TakeCensus(*image);
  if (!census.ok()) return UsageError(census.status());
  const ImageConfig& config = image->config();
  fmt::print(
      "image       {}\ndigest      {}\nentrypoint  {}\ncmd         {}\nworkdir     {}\nuser        {}\nports "
      "      {}\n\n",
      image->name(), image->digest(), Words(config.entrypoint), Words(config.cmd),
      config.working_dir.empty() ? "/" : config.working_dir, config.user.empty() ? "root" : config.user,
      Words(config.exposed_ports));
  Table table({"layer", "diff ID", "own bytes", "own inodes", "whiteouts", "tree bytes", "tree inodes"});
  for (size_t i = 0; i < census->size(); ++i) {
    const LayerCensus& c = (*census)[i];
    table.Add({std::to_string(i), image->diff_id(i).substr(0, 19),
               FormatBytes(static_cast<double>(c.layer_bytes)), std::to_string(c.layer_inodes),
               std::to_string(c.whiteouts + c.opaques), FormatBytes(static_cast<double>(c.tree_bytes)),
               std::to_string(c.tree_inodes)});
  }
  fmt::print("{}", table.Text());
  return kExitPass;
}

int WriteLayout(const std::string& out, const std::string& ref, const ImageConfig& config,
                const std::vector<Fd>& tars) {
  std::vector<int> fds;
  for (const Fd& tar : tars) fds.push_back(tar.get());
  Result<std::string> digest = WriteImageLayout(out, ref, config, fds);
  if (!digest.ok()) return UsageError(digest.status());
  fmt::print("oci:{}:{}  {} layers  {}\n", out, ref, fds.size(), *digest);
  return kExitPass;
}

int Generate(const CommonOptions& options, const std::string& ref) {
  if (options.out.empty()) return UsageError("image generate: --out DIR is missing");
  Result<GeneratedImage> image = GenerateImage(SpecFor(options));
  if (!image.ok()) return UsageError(image.status());
  return WriteLayout(options.out, ref, image->config, image->layer_tars);
}

// Each directory is a whole tree; its layer is what changed since the one before.
int Build(const std::vector<std::string>& trees, const std::string& out, const std::string& ref,
          const ImageConfig& config) {
  if (trees.empty()) return UsageError("image build: name at least one directory");
  if (out.empty()) return UsageError("image build: --out DIR is missing");
  std::vector<Fd> tars;
  Fd lower;
  for (const std::string& tree : trees) {
    Result<Fd> upper = Open(tree, O_RDONLY | O_DIRECTORY);
    if (!upper.ok()) return UsageError(upper.status());
    Result<Fd> tar = UnnamedFile(std::numeric_limits<int64_t>::max());  // of unknown size, so not in memory
    if (!tar.ok()) return UsageError(tar.status());
    Result<DiffResult> diff = DiffToTar(lower.valid() ? lower.get() : -1, upper->get(), tar->get());
    if (!diff.ok()) return UsageError(diff.status());
    if (diff->skipped_sockets > 0) {
      fmt::print(stderr, "layermark: {}: {} sockets left out, a tar cannot hold them\n", tree,
                 diff->skipped_sockets);
    }
    if (lseek(tar->get(), 0, SEEK_SET) < 0) return UsageError(Status::Errno("lseek", "layer tar"));
    tars.push_back(std::move(tar).value());
    lower = std::move(upper).value();
  }
  return WriteLayout(out, ref, config, tars);
}

}  // namespace

Result<ImageSource> OpenRunImage(const CommonOptions& options) {
  if (options.images.size() > 1) {
    return InvalidArgument("--image given more than once: one run works on one image");
  }
  if (options.images.empty() || options.images.front() == "synthetic")
    return ImageSource::FromSpec(SpecFor(options));
  LM_ASSIGN(ImageSource image, ImageSource::FromReference(options.images.front()));
  // Reads every header: an entry that escapes, is cut short or claims too much is refused before anything
  // runs.
  if (Result<std::vector<LayerCensus>> census = TakeCensus(image); !census.ok()) {
    return census.status().WithContext(options.images.front());
  }
  return image;
}

void AddImageCommand(CLI::App& app, Invocation& invocation) {
  CLI::App* image = app.add_subcommand("image", "build, inspect and generate images");
  image->require_subcommand(1);

  CLI::App* inspect = image->add_subcommand("inspect", "configuration and layers, every digest checked");
  auto inspected = std::make_shared<CommonOptions>();
  AddCommonFlags(*inspect, *inspected, kFlagProfile | kFlagSeed);
  auto reference = std::make_shared<std::string>();
  inspect->add_option("IMAGE", *reference, "oci:DIR[:REF], docker-archive:FILE or synthetic")->required();
  inspect->callback([=, &invocation] {
    invocation.run = [=] {
      inspected->images = {*reference};
      return Inspect(*inspected);
    };
  });

  CLI::App* generate =
      image->add_subcommand("generate", "the synthetic image of a profile and seed as an OCI layout");
  auto generated = std::make_shared<CommonOptions>();
  auto generated_ref = std::make_shared<std::string>("latest");
  AddCommonFlags(*generate, *generated, kFlagProfile | kFlagSeed | kFlagOut);
  generate->add_option("--ref", *generated_ref, "reference name in the layout")->capture_default_str();
  generate->callback(
      [=, &invocation] { invocation.run = [=] { return Generate(*generated, *generated_ref); }; });

  CLI::App* build =
      image->add_subcommand("build", "an OCI layout from directories, one whole tree for each layer");
  auto trees = std::make_shared<std::vector<std::string>>();
  auto built = std::make_shared<CommonOptions>();
  auto built_ref = std::make_shared<std::string>("latest");
  auto config = std::make_shared<ImageConfig>();
  build->add_option("DIR", *trees, "the tree after each layer, base first");
  AddCommonFlags(*build, *built, kFlagOut);
  build->add_option("--ref", *built_ref, "reference name in the layout")->capture_default_str();
  build->add_option("--entrypoint", config->entrypoint, "a word of the entrypoint; repeatable")
      ->allow_extra_args(false);
  build->add_option("--cmd", config->cmd, "a word of the command; repeatable")->allow_extra_args(false);
  build->add_option("--env", config->env, "K=V; repeatable")->allow_extra_args(false);
  build->add_option("--workdir", config->working_dir, "working directory");
  build->add_option("--user", config->user, "user[:group]");
  build->add_option("--port", config->exposed_ports, "such as 8080/tcp; repeatable")->allow_extra_args(false);
  build->callback(
      [=, &invocation] { invocation.run = [=] { return Build(*trees, built->out, *built_ref, *config); }; });
}

}  // namespace layermark
