#include "conformance/fuzz/c_program.h"

#include <fmt/core.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "conformance/fuzz/layer_words.h"
#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

std::string PathC(const std::string& path) {
  return path.empty() ? "\".\"" : QuoteBytes(path);
}

// Two arguments: the bytes and how many.
std::string DataC(const std::string& data) {
  const size_t piece = RepeatedPiece(data);
  if (piece == data.size()) return fmt::format("{}, {}", QuoteBytes(data), data.size());
  return fmt::format("fill({}, {}, {}), {}", QuoteBytes(data.substr(0, piece)), piece, data.size(),
                     data.size());
}

// "O_RDWR | O_CREAT"; the words of the text with the constants' prefix.
std::string FlagsC(int64_t flags, const FuzzOpRow& row, const std::string& prefix) {
  std::string out;
  for (const FuzzFlag& flag : *row.flags) {
    if (flag.value == 0 || (flags & flag.value) != flag.value) continue;
    out += (out.empty() ? "" : " | ") + prefix + flag.name;
    flags &= ~flag.value;
  }
  return out.empty() ? "0" : out;
}

std::string TimeC(int64_t ns) {
  if (ns == kTimeOmit) return "{0, UTIME_OMIT}";
  if (ns == kTimeNow) return "{0, UTIME_NOW}";
  return fmt::format("at_ns({}LL)", ns);
}
std::string TimesC(const FuzzStep& s) {
  return fmt::format("(struct timespec[2]){{{}, {}}}", TimeC(s.atime_ns), TimeC(s.mtime_ns));
}

int64_t FromZero(int64_t offset) {
  return std::max<int64_t>(offset, 0);
}

std::string LockC(const FuzzStep& s) {
  const int64_t kind = s.flags & ~kLockOfd;
  if ((s.flags & kLockOfd) != 0) {
    return fmt::format("lock_all(fd[{}], {});", s.slot,
                       kind == LOCK_SH   ? "F_RDLCK"
                       : kind == LOCK_EX ? "F_WRLCK"
                                         : "F_UNLCK");
  }
  return fmt::format("result(flock(fd[{}], {} | LOCK_NB));", s.slot,
                     kind == LOCK_SH   ? "LOCK_SH"
                     : kind == LOCK_EX ? "LOCK_EX"
                                       : "LOCK_UN");
}

std::string SlotStepC(const FuzzStep& s) {
  const FuzzOpRow& row = RowOf(s.op);
  const std::string fd = fmt::format("fd[{}]", s.slot);
  const std::string path = PathC(s.path);
  switch (s.op) {
    case FuzzOp::kOpen:
      return fmt::format(
          "close_slot({});\n  {} = open({}, {} | O_NONBLOCK | O_NOCTTY, {:#o});\n  result({} < 0 ? -1 : 0);",
          s.slot, fd, path, FlagsC(s.flags, row, "O_"), s.mode & 07777, fd);
    case FuzzOp::kTmpfile:
      return fmt::format(
          "close_slot({});\n  {} = open({}, O_TMPFILE | O_RDWR, {:#o});\n  result({} < 0 ? -1 : 0);", s.slot,
          fd, path, s.mode & 07777, fd);
    case FuzzOp::kClose:
      return fmt::format("result(close_slot({}));", s.slot);
    case FuzzOp::kFdRead:
      if (s.offset < 0)
        return fmt::format("value(read({}, buf, {}));", fd, std::min<int64_t>(s.size, 131072));
      return fmt::format("value(pread({}, buf, {}, {}));", fd, std::min<int64_t>(s.size, 131072), s.offset);
    case FuzzOp::kFdWrite:
      if (s.offset < 0) return fmt::format("result(write({}, {}));", fd, DataC(s.data));
      return fmt::format("result(pwrite({}, {}, {}));", fd, DataC(s.data), s.offset);
    case FuzzOp::kFdStat:
      return fmt::format("show_stat(fstat({}, &st), 0);", fd);
    case FuzzOp::kFdTruncate:
      return fmt::format("result(ftruncate({}, {}));", fd, s.size);
    case FuzzOp::kFdChmod:
      return fmt::format("result(fchmod({}, {:#o}));", fd, s.mode & 07777);
    case FuzzOp::kFdChown:
      return fmt::format("result(fchown({}, {}, {}));", fd, s.uid, s.gid);
    case FuzzOp::kFdTimes:
      return fmt::format("result(futimens({}, {}));", fd, TimesC(s));
    case FuzzOp::kFdSetXattr:
      return fmt::format("result(fsetxattr({}, {}, {}, {}));", fd, QuoteBytes(s.name), DataC(s.data),
                         FlagsC(s.flags, row, "XATTR_"));
    case FuzzOp::kFdGetXattr:
      return fmt::format("value(fgetxattr({}, {}, buf, 65536));", fd, QuoteBytes(s.name));
    case FuzzOp::kFdSame:
      return fmt::format("same_as_open({}, {});", fd, path);
    case FuzzOp::kFdSync:
      return fmt::format("result(fsync({}));", fd);
    case FuzzOp::kFallocate:
      return fmt::format("result(fallocate({}, {}, {}, {}));", fd, FlagsC(s.flags, row, "FALLOC_FL_"),
                         FromZero(s.offset), s.size);
    case FuzzOp::kCopyRange:
      return fmt::format(
          "{{\n    loff_t in = {0}, out = {0};\n    result(copy_file_range(fd[{1}], &in, {2}, &out, {3}, "
          "0));\n  }}",
          FromZero(s.offset), s.from, fd, s.size);
    case FuzzOp::kReflink:
      return fmt::format("result(ioctl({}, FICLONE, fd[{}]));", fd, s.from);
    case FuzzOp::kMmapWrite:
      return fmt::format("map_write({}, {}, {});", fd, FromZero(s.offset), DataC(s.data));
    case FuzzOp::kMmapRead:
      return fmt::format("map_read({}, {}, {});", fd, FromZero(s.offset), s.size);
    case FuzzOp::kSendfile:
      return fmt::format("{{\n    off_t in = {};\n    result(sendfile({}, fd[{}], &in, {}));\n  }}",
                         FromZero(s.offset), fd, s.from, s.size);
    case FuzzOp::kLock:
      return LockC(s);
    case FuzzOp::kSeek:
      return fmt::format("seek_to({}, {}, {});", fd, FromZero(s.offset),
                         s.flags == SEEK_DATA   ? "SEEK_DATA"
                         : s.flags == SEEK_HOLE ? "SEEK_HOLE"
                         : s.flags == SEEK_END  ? "SEEK_END"
                                                : "SEEK_SET");
    case FuzzOp::kFdLink:
      return fmt::format("result(linkat({}, \"\", AT_FDCWD, {}, AT_EMPTY_PATH));", fd, path);
    default:
      return fmt::format("list({}, 0);", fd);
  }
}

std::string PathStepC(const FuzzStep& s) {
  const FuzzOpRow& row = RowOf(s.op);
  const std::string path = PathC(s.path);
  const std::string follow = s.flags != 0 ? "AT_SYMLINK_NOFOLLOW" : "0";
  const unsigned mode = s.mode & 07777;
  switch (s.op) {
    case FuzzOp::kCreate:
      return fmt::format("write_to({}, O_CREAT | O_EXCL, {:#o}, -1, {});", path, mode, DataC(s.data));
    case FuzzOp::kRead:
      return fmt::format("read_all({});", path);
    case FuzzOp::kWrite:
      return fmt::format("write_to({}, 0, 0, {}, {});", path, FromZero(s.offset), DataC(s.data));
    case FuzzOp::kAppend:
      return fmt::format("write_to({}, O_APPEND, 0, -1, {});", path, DataC(s.data));
    case FuzzOp::kTruncate:
      return fmt::format("result(truncate({}, {}));", path, s.size);
    case FuzzOp::kRename:
      return fmt::format("result(renameat2(AT_FDCWD, {}, AT_FDCWD, {}, {}));", path, PathC(s.target),
                         FlagsC(s.flags, row, "RENAME_"));
    case FuzzOp::kLink:
      return fmt::format("result(linkat(AT_FDCWD, {}, AT_FDCWD, {}, {}));", path, PathC(s.target),
                         s.flags != 0 ? "AT_SYMLINK_FOLLOW" : "0");
    case FuzzOp::kUnlink:
      return fmt::format("result(unlink({}));", path);
    case FuzzOp::kRmdir:
      return fmt::format("result(rmdir({}));", path);
    case FuzzOp::kMkdir:
      return fmt::format("result(mkdir({}, {:#o}));", path, mode);
    case FuzzOp::kSymlink:
      return fmt::format("result(symlink({}, {}));", QuoteBytes(s.target), path);
    case FuzzOp::kReadlink:
      return fmt::format("value(readlink({}, buf, 4096));", path);
    case FuzzOp::kMknod:
      return fmt::format("result(mknod({}, {:#o}, makedev({}, {})));", path, s.mode, major(s.rdev),
                         minor(s.rdev));
    case FuzzOp::kList:
      return fmt::format("list_path({}, whole);", path);
    case FuzzOp::kListPieces:
      return fmt::format("list_path({}, in_pieces);", path);
    case FuzzOp::kListInodes:
    case FuzzOp::kListRemove:
    case FuzzOp::kListCreate:
      return fmt::format("list_path({}, {});", path, row.name);
    case FuzzOp::kStat:
      return fmt::format("show_stat(fstatat(AT_FDCWD, {0}, &st, {1}), {0});", path, follow);
    case FuzzOp::kStatfs:
      return fmt::format("show_statfs({});", path);
    case FuzzOp::kSameFile:
      return fmt::format("same_as_path({}, {});", path, PathC(s.target));
    case FuzzOp::kAccess:
      return fmt::format("result(faccessat(AT_FDCWD, {}, {}, AT_EACCESS));", path, s.mode & 7);
    case FuzzOp::kChmod:
      return fmt::format("result(chmod({}, {:#o}));", path, mode);
    case FuzzOp::kChown:
      return fmt::format("result(fchownat(AT_FDCWD, {}, {}, {}, {}));", path, s.uid, s.gid, follow);
    case FuzzOp::kTimes:
      return fmt::format("show_times(utimensat(AT_FDCWD, {0}, {1}, {2}), {0}, {2}, {3:d}, {4:d});", path,
                         TimesC(s), follow, s.atime_ns != kTimeOmit, s.mtime_ns != kTimeOmit);
    case FuzzOp::kSetXattr:
      return fmt::format("result(lsetxattr({}, {}, {}, {}));", path, QuoteBytes(s.name), DataC(s.data),
                         FlagsC(s.flags, row, "XATTR_"));
    case FuzzOp::kGetXattr:
      if ((s.flags & kXattrSizeOnly) != 0)
        return fmt::format("result(lgetxattr({}, {}, 0, 0));", path, QuoteBytes(s.name));
      return fmt::format("value(lgetxattr({}, {}, buf, {}));", path, QuoteBytes(s.name),
                         s.flags != 0 ? 1 : 65536);
    case FuzzOp::kListXattr:
      return fmt::format("list_xattrs({});", path);
    case FuzzOp::kRemoveXattr:
      return fmt::format("result(lremovexattr({}, {}));", path, QuoteBytes(s.name));
    case FuzzOp::kGetFlags:
      return fmt::format("inode_flags({}, 0, 0);", path);
    default:  // kSetFlags
      return fmt::format("inode_flags({}, 1, {:#x});", path, s.flags);
  }
}

std::string StepC(const FuzzStep& s, size_t number) {
  if (s.op == FuzzOp::kRemount) return "  remount();\n  tree(\".\", 1);\n";
  if (s.op == FuzzOp::kCommit || s.op == FuzzOp::kDiff) return "  commit();\n  tree(\".\", 1);\n";
  const std::string text = ToText(s).substr(0, 160);
  std::string out =
      fmt::format("  strcpy(label, {});\n", QuoteBytes(fmt::format("step {}, {}", number, text)));
  if (s.op == FuzzOp::kCheck) return out + "  tree(\".\", 1);\n";
  if (s.as != 0) out += fmt::format("  as({});\n", s.as);
  const bool slot =
      s.op == FuzzOp::kOpen || s.op == FuzzOp::kTmpfile || (RowOf(s.op).fields & kFieldSlot) != 0;
  out += "  " + (slot ? SlotStepC(s) : PathStepC(s)) + "\n";
  if (s.as != 0) out += "  as(0);\n";
  return out;
}

// `fixed_ns` is what the tree language gives to an object that it makes.
std::string LayerStepC(const Step& s, int64_t fixed_ns) {
  const std::string path = PathC(s.path);
  const std::string times = fmt::format("  set_times({}, {}LL, {}LL);\n", path, fixed_ns, fixed_ns);
  const auto ok = [&](const std::string& call) { return fmt::format("  ok({}, {});\n", call, path); };
  const auto write = [&](const std::string& flags, int64_t offset, const std::string& data) {
    std::string out = fmt::format("  fd[0] = open({}, O_WRONLY | {}, 0600);\n", path, flags) + ok("fd[0]");
    if (!data.empty()) out += ok(fmt::format("pwrite(fd[0], {}, {})", DataC(data), offset));
    return out;
  };
  const std::string done = "  close_slot(0);\n";
  std::string out = fmt::format("  touching({});\n", path);
  switch (s.op) {
    case StepOp::kDir:
      return out + ok(fmt::format("mkdir({}, 0755)", path)) +
             ok(fmt::format("chmod({}, {:#o})", path, s.mode)) + times;
    case StepOp::kFile:
      return out + write("O_CREAT | O_TRUNC", 0, s.data) + ok(fmt::format("fchmod(fd[0], {:#o})", s.mode)) +
             done + times;
    case StepOp::kSparse:
      return out + write("O_CREAT | O_EXCL", s.offset, s.data) +
             ok(fmt::format("ftruncate(fd[0], {})", s.size)) +
             ok(fmt::format("fchmod(fd[0], {:#o})", s.mode)) + done + times;
    case StepOp::kWrite:
      return out + write("0", s.offset, s.data) + done + times;
    case StepOp::kTruncate:
      return out + ok(fmt::format("truncate({}, {})", path, s.size)) + times;
    case StepOp::kSymlink:
      return out + ok(fmt::format("symlink({}, {})", QuoteBytes(s.target), path)) + times;
    case StepOp::kLink:
      return out + ok(fmt::format("link({}, {})", PathC(s.target), path));
    case StepOp::kMknod:
      return out +
             ok(fmt::format("mknod({}, {:#o}, makedev({}, {}))", path, s.mode, major(s.rdev),
                            minor(s.rdev))) +
             ok(fmt::format("chmod({}, {:#o})", path, s.mode & 07777)) + times;
    case StepOp::kRemove:
      return out + ok(fmt::format("remove({})", path));
    case StepOp::kRemoveAll:
      return out + ok(fmt::format("remove_all({})", path));
    case StepOp::kRename:
      return out + fmt::format("  touching({});\n", PathC(s.target)) +
             ok(fmt::format("rename({}, {})", path, PathC(s.target)));
    case StepOp::kChmod:
      return ok(fmt::format("chmod({}, {:#o})", path, s.mode));
    case StepOp::kChown:
      return ok(fmt::format("lchown({}, {}, {})", path, static_cast<int>(s.uid), static_cast<int>(s.gid)));
    case StepOp::kSetXattr:
      return ok(fmt::format("lsetxattr({}, {}, {}, 0)", path, QuoteBytes(s.target), DataC(s.data)));
    case StepOp::kRemoveXattr:
      return ok(fmt::format("lremovexattr({}, {})", path, QuoteBytes(s.target)));
    case StepOp::kTimes:
      return fmt::format("  set_times({}, {}LL, {}LL);\n", path, s.atime_ns, s.mtime_ns);
  }
  return out;
}

std::string ArgumentsC(const UnionMount& mount, const std::string& before, const std::string& after) {
  std::string out = fmt::format("  char *argv[] = {{{}", QuoteBytes(mount.program));
  for (const std::string& option : mount.options) out += ", \"-o\", " + QuoteBytes(option);
  return out + before + ", \"merged\", 0};\n  " + after;
}

std::string MountC(const UnionMount& mount) {
  std::string lower = "  for (int i = lower_count; i-- > 0;) n += snprintf(text + n, sizeof text - n, ";
  std::string out = "static void mount_union(void) {\n  static char text[9000];\n  int n = 0;\n";
  std::string options;
  for (const std::string& option : mount.options) options += "," + option;
  const std::string layers = lower + "\"%s%s\", n ? \":\" : \"lowerdir=\", lowers[i]);\n" +
                             "  snprintf(text + n, sizeof text - n, \",upperdir=%s,workdir=work%d";
  switch (mount.kind) {
    case UnionMount::Kind::kOverlay:
      return out + layers + options +
             "\", upper, lower_count);\n  if (chdir(base) != 0 || mount(\"overlay\", \"merged\", "
             "\"overlay\", 0, text) != 0) die(text);\n}\n";
    case UnionMount::Kind::kFuseOverlay:
      return out + layers + "\", upper, lower_count);\n  if (chdir(base) != 0) die(base);\n" +
             ArgumentsC(mount, ", \"-o\", text", "run(argv);\n}\n");
    case UnionMount::Kind::kBranches:
      return out +
             fmt::format("  n = snprintf(text, sizeof text, \"{}%s/%s=RW\", base, upper);\n",
                         mount.branches_as_option ? "dirs=" : "") +
             lower + "\":%s/%s=RO\", base, lowers[i]);\n  if (chdir(base) != 0) die(base);\n" +
             ArgumentsC(mount, mount.branches_as_option ? ", \"-o\", text" : ", text", "run(argv);\n}\n");
    case UnionMount::Kind::kNone:
      break;
  }
  return "/* The driver's snapshots are no union: its mount is tested where it is, without layers of its "
         "own.\n"
         "   Give the mount of an empty snapshot as the argument. */\n"
         "static void mount_union(void) {\n  if (chdir(base) != 0 || (rmdir(\"merged\"), symlink(upper, "
         "\"merged\")) != 0) die(upper);\n}\n";
}

}  // namespace

UnionMount UnionMountOf(const std::vector<layermark::Mount>& mounts) {
  UnionMount out;
  if (mounts.size() != 1) return out;
  const layermark::Mount& mount = mounts[0];
  bool lowers = false;
  for (const std::string& option : mount.options) {
    const bool names_layer =
        option.starts_with("lowerdir") || option.starts_with("upperdir=") || option.starts_with("workdir=");
    lowers = lowers || option.starts_with("lowerdir");
    if (option.starts_with("dirs=")) {
      out.branches_as_option = true;
      continue;
    }
    if (!names_layer) out.options.push_back(option);
  }
  if (mount.type == "overlay") {
    out.kind = lowers ? UnionMount::Kind::kOverlay : UnionMount::Kind::kNone;
    return out;
  }
  if (!mount.type.starts_with("fuse.") && !mount.type.starts_with("fuse3.")) return out;
  const size_t hash = mount.source.find('#');
  out.program =
      hash == std::string::npos ? mount.type.substr(mount.type.find('.') + 1) : mount.source.substr(0, hash);
  if (lowers) {
    out.kind = UnionMount::Kind::kFuseOverlay;
  } else if (out.branches_as_option || mount.source.find("=RW") != std::string::npos) {
    out.kind = UnionMount::Kind::kBranches;
  }
  return out;
}

std::string ToC(const FuzzProgram& program, const UnionMount& mount, const std::string& comment,
                bool directory_links) {
  std::string out = "/*\n";
  for (size_t at = 0; at < comment.size();) {
    const size_t end = std::min(comment.find('\n', at), comment.size());
    std::string line = comment.substr(at, end - at);
    for (size_t close = 0; (close = line.find("*/", close)) != std::string::npos;)
      line.replace(close, 2, "* /");
    out += " * " + line + "\n";
    at = end + 1;
  }
  out +=
      " *\n * cc -Wall -o program THIS.c && sudo ./program [EMPTY DIRECTORY of the file system to use; "
      "default: a tmpfs]\n"
      " * It makes the layers, mounts the union, and runs the steps on an ordinary directory and on the "
      "mount.\n"
      " * Status 1: they differ, as printed; 0: they do not.\n */\n";
  std::string prelude = kCPrelude;
  const std::string marker = "SHOW_LINKS_OF_DIRECTORIES";
  prelude.replace(prelude.find(marker), marker.size(), directory_links ? "1" : "0");
  std::string body = MountC(mount);
  std::string table;
  int64_t made = 0;
  for (size_t i = 0; i < program.layers.size(); ++i) {
    body += fmt::format("\nstatic void layer_{}(void) {{\n", i);
    made = 0;
    for (const Step& step : program.layers[i].steps())
      body += LayerStepC(step, kDefaultMtimeNs + 1000 * made++);
    body += "}\n";
    table += fmt::format("layer_{}, ", i);
  }
  body +=
      fmt::format("static void (*const layers[])(void) = {{{}0}};\n\nstatic void steps(void) {{\n", table);
  for (size_t i = 0; i < program.steps.size(); ++i) body += StepC(program.steps[i], i + 1);
  body += std::string("}\n") + kCMain;
  return out + HelpersFor(prelude.substr(1), body) + "\n" + body;
}

}  // namespace layermark
