// From an image's configuration to a container: the rules of the OCI image specification's conversion page.
#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scenario/launcher.h"

namespace layermark {
namespace {

constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find(separator, at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::optional<uint32_t> Number(std::string_view text) {
  uint32_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

// The lines of a colon-separated table of the root, each with at least `fields`; none if the root lacks it.
Result<std::vector<std::vector<std::string>>> ReadTable(int root_fd, const std::string& path, size_t fields) {
  std::vector<std::vector<std::string>> rows;
  Result<Fd> file = OpenInRoot(root_fd, path, O_RDONLY);
  if (!file.ok()) {
    if (file.status().code() == Code::kNotFound) return rows;
    return file.status();
  }
  LM_ASSIGN(std::string text, ReadAll(file->get(), size_t{16} << 20));
  for (const std::string& line : Split(text, '\n')) {
    std::vector<std::string> row = Split(line, ':');
    if (row.size() >= fields) rows.push_back(std::move(row));
  }
  return rows;
}

struct User {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;
  std::string home = "/";
};

Result<User> ResolveUser(const std::string& text, int root_fd) {
  User user;
  size_t colon = text.find(':');
  std::string name = text.substr(0, colon);
  std::string group = colon == std::string::npos ? "" : text.substr(colon + 1);
  LM_ASSIGN(auto passwd, ReadTable(root_fd, "etc/passwd", 6));
  LM_ASSIGN(auto groups, ReadTable(root_fd, "etc/group", 3));

  std::string wanted = name.empty() ? "0" : name;
  std::optional<uint32_t> number = Number(wanted);
  auto row = std::find_if(passwd.begin(), passwd.end(), [&](const std::vector<std::string>& r) {
    return r[0] == wanted || (number && Number(r[2]) == number);
  });
  if (row == passwd.end() && !number) {
    return FailedPrecondition("the image's User names " + wanted + ", which its /etc/passwd lacks");
  }
  if (row != passwd.end()) {
    std::optional<uint32_t> uid = Number((*row)[2]), gid = Number((*row)[3]);
    if (!uid || !gid) return FailedPrecondition("the image's /etc/passwd has no ids for " + wanted);
    user.uid = *uid;
    user.gid = *gid;
    user.home = (*row)[5];
  } else {
    user.uid = *number;
  }

  if (!group.empty()) {
    std::optional<uint32_t> gid = Number(group);
    if (!gid) {
      auto found = std::find_if(groups.begin(), groups.end(),
                                [&](const std::vector<std::string>& r) { return r[0] == group; });
      if (found != groups.end()) gid = Number((*found)[2]);
    }
    if (!gid)
      return FailedPrecondition("the image's User names group " + group + ", which its /etc/group lacks");
    user.gid = *gid;
  } else if (row != passwd.end()) {
    for (const auto& r : groups) {
      if (r.size() < 4) continue;
      std::vector<std::string> members = Split(r[3], ',');
      std::optional<uint32_t> gid = Number(r[2]);
      bool member = std::find(members.begin(), members.end(), (*row)[0]) != members.end();
      if (member && gid) user.groups.push_back(*gid);
    }
  }
  return user;
}

bool HasVariable(const std::vector<std::string>& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const std::string& variable) {
    return variable.starts_with(name) && variable.substr(name.size()).starts_with("=");
  });
}

}  // namespace

Result<ContainerSpec> SpecFromImage(const ImageConfig& config, const std::string& root) {
  ContainerSpec spec;
  spec.root = root;
  spec.argv = config.entrypoint;
  spec.argv.insert(spec.argv.end(), config.cmd.begin(), config.cmd.end());
  if (spec.argv.empty() || spec.argv[0].empty()) {
    return FailedPrecondition("the image names no program: Entrypoint and Cmd are empty");
  }
  if (!config.working_dir.empty()) spec.working_dir = config.working_dir;
  LM_ASSIGN(Fd root_fd, Open(root, O_RDONLY | O_DIRECTORY));
  LM_ASSIGN(User user, ResolveUser(config.user, root_fd.get()));
  spec.uid = user.uid;
  spec.gid = user.gid;
  spec.groups = std::move(user.groups);
  spec.env = config.env;
  if (!HasVariable(spec.env, "PATH")) spec.env.push_back(kDefaultPath);
  if (!HasVariable(spec.env, "HOME")) spec.env.push_back("HOME=" + user.home);
  spec.new_network = true;
  spec.loopback = true;
  spec.mount_proc = true;
  return spec;
}

}  // namespace layermark
