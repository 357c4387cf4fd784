// The part that all C programs made of fuzz programs share.
#include "conformance/fuzz/c_program.h"

namespace layermark {

const char* const kCPrelude = R"c(
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>

#define HELPER static __attribute__((unused))
enum { EXPECTED, SEEN, MAX_LINES = 20000 };

/* What each side answered, one line a step or a name of the tree. */
static char *lines[2][MAX_LINES];
static int count[2], side;
static char label[400], buf[1 << 17];
static int fd[6];
static struct stat st;
static time_t began;

HELPER void die(const char *what) {
  perror(what);
  exit(2);
}
HELPER void say(const char *format, ...) {
  char text[9000];
  int n = snprintf(text, sizeof text, "%s: ", label);
  va_list list;
  va_start(list, format);
  vsnprintf(text + n, sizeof text - n, format, list);
  va_end(list);
  if (count[side] < MAX_LINES) lines[side][count[side]++] = strdup(text);
}
HELPER const char *name_of(int error) { return error == 0 ? "ok" : strerrorname_np(error); }
/* A call that gave -1, or a number. */
HELPER void result(long n) {
  int error = errno;
  if (n < 0) say("%s", name_of(error));
  else if (n > 0) say("ok %ld", n);
  else say("ok");
}
HELPER uint64_t hash(uint64_t h, const char *bytes, long n) {
  for (long i = 0; i < n; ++i) h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3u;
  return h;
}
/* Bytes that were read into buf. */
HELPER void value(long n) {
  int plain = n >= 0 && n <= 60;
  if (n < 0) return result(n);
  for (long i = 0; i < n; ++i) plain = plain && buf[i] > ' ' && buf[i] < 0x7f;
  if (plain) say("ok %ld \"%.*s\"", n, (int)n, buf);
  else say("ok %ld bytes, hash %016llx", n, (unsigned long long)hash(0, buf, n));
}
HELPER const char *when(struct timespec t) {
  static char text[2][40];
  static int turn;
  char *out = text[turn ^= 1];
  if (t.tv_sec >= began - 2) return "now";
  snprintf(out, 40, "%lld.%09ld", (long long)t.tv_sec, t.tv_nsec);
  return out;
}
HELPER const char *type_of(mode_t mode) {
  return S_ISREG(mode) ? "regular" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "symlink" : S_ISFIFO(mode) ? "fifo"
       : S_ISSOCK(mode) ? "socket" : S_ISCHR(mode) ? "char device" : "block device";
}
HELPER void describe(char *out, size_t room, int with_links) {
  int n = snprintf(out, room, "%s mode=%o uid=%d gid=%d mtime=%s", type_of(st.st_mode), st.st_mode & 07777, st.st_uid,
                   st.st_gid, when(st.st_mtim));
  if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) n += snprintf(out + n, room - n, " size=%lld", (long long)st.st_size);
  if (with_links && (SHOW_LINKS_OF_DIRECTORIES || !S_ISDIR(st.st_mode)))
    n += snprintf(out + n, room - n, " nlink=%d", (int)st.st_nlink);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
    snprintf(out + n, room - n, " rdev=%u:%u", major(st.st_rdev), minor(st.st_rdev));
}
/* Attributes in st; `path` (or 0): whether the inode number is the one that it had before. */
HELPER void show_stat(int failed, const char *path) {
  static struct { int side; const char *path; ino_t ino; } known[200];
  static int knowns;
  char text[300];
  int i = 0;
  if (failed) return result(failed);
  describe(text, sizeof text, 1);
  if (path == 0 || S_ISLNK(st.st_mode)) return say("ok %s", text);
  while (i < knowns && (known[i].side != side || strcmp(known[i].path, path) != 0)) ++i;
  if (i < knowns) say("ok %s, inode number %s", text, known[i].ino == st.st_ino ? "as before" : "another than before");
  else say("ok %s", text);
  if (i == knowns && knowns < 200) ++knowns;
  if (i < 200) { known[i].side = side; known[i].path = path; known[i].ino = st.st_ino; }
}
HELPER void as(int id) {
  if (id == 0) setfsuid(0);
  setfsgid(id);
  if (id != 0) setfsuid(id);
}
HELPER const char *fill(const char *piece, long length, long n) {
  static char *memory;
  free(memory);
  memory = malloc(n + 1);
  for (long i = 0; i < n; ++i) memory[i] = piece[i % length];
  memory[n] = 0;
  return memory;
}
HELPER int close_slot(int slot) {
  int answer = fd[slot] < 0 ? (errno = EBADF, -1) : close(fd[slot]);
  fd[slot] = -1;
  return answer;
}
/* Opens, writes, closes. */
HELPER void write_to(const char *path, int flags, mode_t mode, long offset, const char *data, long n) {
  int to = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | flags, mode);
  long answer = to < 0 ? -1 : n == 0 ? 0 : offset < 0 ? write(to, data, n) : pwrite(to, data, n, offset);
  result(answer);
  if (to >= 0) close(to);
}
HELPER void read_all(const char *path) {
  int from = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (from < 0) return result(-1);
  value(read(from, buf, sizeof buf));
  close(from);
}
HELPER void map_write(int to, long offset, const char *data, long n) {
  int aside = memfd_create("aside", 0);
  if (fstat(to, &st) != 0) return result(-1);
  if (!S_ISREG(st.st_mode) || offset >= st.st_size || n == 0) return say("nothing");
  if (n > st.st_size - offset) n = st.st_size - offset;
  char *map = mmap(0, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
  if (map == MAP_FAILED) return result(-1);
  if (pwrite(aside, data, n, 0) != n) die("memfd");
  result(pread(aside, map + offset, n, 0));
  if (msync(map, st.st_size, MS_SYNC) != 0) result(-1);
  munmap(map, st.st_size);
  close(aside);
}
HELPER void map_read(int from, long offset, long n) {
  int aside = memfd_create("aside", 0);
  if (fstat(from, &st) != 0) return result(-1);
  if (!S_ISREG(st.st_mode) || offset >= st.st_size) return say("nothing");
  if (n > st.st_size - offset) n = st.st_size - offset;
  char *map = mmap(0, st.st_size, PROT_READ, MAP_SHARED, from, 0);
  if (map == MAP_FAILED) return result(-1);
  n = pwrite(aside, map + offset, n, 0); /* EFAULT where a plain access would be SIGBUS */
  if (n < 0) result(n);
  else value(pread(aside, buf, n < (long)sizeof buf ? n : (long)sizeof buf, 0));
  munmap(map, st.st_size);
  close(aside);
}
HELPER void lock_all(int of, int kind) {
  struct flock lock = {.l_type = kind, .l_whence = SEEK_SET};
  result(fcntl(of, F_OFD_SETLK, &lock));
}
HELPER void seek_to(int in, long offset, int whence) {
  long at = lseek(in, offset, whence);
  int error = errno;
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return result(at);
  if (at < 0 && error == ENXIO && fstat(in, &st) == 0 && offset < st.st_size) at = 0;
  errno = error;
  result(at < 0 ? -1 : 0);
}
HELPER void same(int failed, ino_t ino, const char *path, int flags) {
  if (failed || fstatat(AT_FDCWD, path, &st, flags) != 0) return result(-1);
  say("%s", ino == st.st_ino ? "the same object" : "another object");
}
HELPER void same_as_open(int of, const char *path) {
  int failed = fstat(of, &st);
  same(failed, st.st_ino, path, 0);
}
HELPER void same_as_path(const char *one, const char *other) {
  int failed = lstat(one, &st);
  same(failed, st.st_ino, other, AT_SYMLINK_NOFOLLOW);
}
HELPER void show_statfs(const char *path) {
  struct statvfs fs;
  if (statvfs(path, &fs) != 0) return result(-1);
  say("bsize=%lu blocks=%lu namemax=%lu readonly=%d", fs.f_bsize, (unsigned long)fs.f_blocks, fs.f_namemax,
      (fs.f_flag & ST_RDONLY) != 0);
}
HELPER void show_times(int failed, const char *path, int flags, int access, int change) {
  if (failed || fstatat(AT_FDCWD, path, &st, flags) != 0) return result(failed);
  say("ok%s%s%s%s", access ? " atime=" : "", access ? when(st.st_atim) : "", change ? " mtime=" : "",
      change ? when(st.st_mtim) : "");
}
HELPER void inode_flags(const char *path, int set, int flags) {
  int mine = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL, all = 0;
  int of = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
  if (of < 0) return result(-1);
  if (ioctl(of, FS_IOC_GETFLAGS, &all) != 0) result(-1);
  else if (!set) say("flags=%#x", all & mine);
  else {
    all = (all & ~mine) | flags;
    result(ioctl(of, FS_IOC_SETFLAGS, &all));
  }
  close(of); /* flags go with the tmpfs that all this is on */
}
HELPER int private_name(const char *name) {
  return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0 ||
         strncmp(name, "user.fuseoverlayfs.", 19) == 0 || strncmp(name, "security.selinux", 16) == 0;
}
HELPER int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
/* The names in `text`, sorted; "name=value hash" for attributes of `path`. */
HELPER long xattrs_of(const char *path, char *out, size_t room, int with_values) {
  static char names[65536];
  char *sorted[1000];
  int n = 0, at = 0;
  long size = llistxattr(path, names, sizeof names);
  if (size < 0) return -1;
  for (char *name = names; name < names + size && n < 1000; name += strlen(name) + 1)
    if (!private_name(name)) sorted[n++] = name;
  qsort(sorted, n, sizeof *sorted, by_text);
  out[0] = 0;
  for (int i = 0; i < n && at < (int)room - 400; ++i) {
    at += snprintf(out + at, room - at, " %s", sorted[i]);
    long length = with_values ? lgetxattr(path, sorted[i], buf, sizeof buf) : -1;
    if (length >= 0)
      at += snprintf(out + at, room - at, "=%ld bytes,%08x", length, (unsigned)hash(0, buf, length));
  }
  return n;
}
HELPER void list_xattrs(const char *path) {
  char text[8000];
  long n = xattrs_of(path, text, sizeof text, 0);
  if (n < 0) result(n);
  else say("ok%s", text);
}

struct entry { unsigned long long ino; long long offset; unsigned short length; unsigned char type; char name[]; };
HELPER int is_dot(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }
/* All names from the start; pieces: with a small buffer, and the second half twice. */
HELPER void list(int of, int pieces) {
  static char *names[100000];
  static long long offsets[100000];
  char small[8192], text[8000] = "";
  int n = 0, at = 0, dots = 0, half, error;
  long got;
  if (lseek(of, 0, SEEK_SET) < 0) return result(-1);
  while ((got = syscall(SYS_getdents64, of, small, pieces ? 320 : sizeof small)) > 0) {
    for (long i = 0; i < got && n < 100000;) {
      struct entry *e = (struct entry *)(small + i);
      i += e->length;
      if (is_dot(e->name) && ++dots) continue;
      offsets[n] = e->offset;
      if (asprintf(&names[n++], "%s/%d", e->name, e->type) < 0) die("asprintf");
    }
  }
  error = errno;
  if (got < 0) { errno = error; return result(-1); }
  if (dots != 2) at += snprintf(text, sizeof text, " dots=%d", dots);
  half = n / 2;
  if (pieces && n > 2) {
    int same_again = lseek(of, offsets[half], SEEK_SET) >= 0, next = half + 1;
    while ((got = syscall(SYS_getdents64, of, small, sizeof small)) > 0)
      for (long i = 0; i < got;) {
        struct entry *e = (struct entry *)(small + i);
        char one[300];
        i += e->length;
        if (is_dot(e->name)) continue;
        snprintf(one, sizeof one, "%s/%d", e->name, e->type);
        same_again = same_again && next < n && strcmp(one, names[next]) == 0;
        ++next;
      }
    at += snprintf(text + at, sizeof text - at, " the second half again: %s", same_again && next == n ? "same" : "other");
  }
  qsort(names, n, sizeof *names, by_text);
  for (int i = 0; i < n && at < 7000; ++i) at += snprintf(text + at, sizeof text - at, " %s", names[i]);
  say("ok %d names:%s", n, text);
}
HELPER void list_inodes(int of) {
  static char *names[100000];
  static unsigned long long numbers[100000];
  char some[8192], text[8000] = "";
  int n = 0, at = 0;
  long got;
  while ((got = syscall(SYS_getdents64, of, some, sizeof some)) > 0)
    for (long i = 0; i < got && n < 100000;) {
      struct entry *e = (struct entry *)(some + i);
      i += e->length;
      if (is_dot(e->name)) continue;
      numbers[n] = e->ino;
      names[n++] = strdup(e->name);
    }
  if (got < 0) return result(-1);
  char *others[100000];
  int m = 0;
  for (int i = 0; i < n; ++i)
    if (fstatat(of, names[i], &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_ino != numbers[i]) others[m++] = names[i];
  qsort(others, m, sizeof *others, by_text);
  for (int i = 0; i < m && at < 7000; ++i) at += snprintf(text + at, sizeof text - at, " %s", others[i]);
  say("ok %d names, with another number than stat says:%s", n, text);
}
HELPER void list_remove(int of) {
  char some[320], *files[100];
  int gone = 0, error = 0;
  long got;
  while ((got = syscall(SYS_getdents64, of, some, sizeof some)) > 0) {
    int n = 0;
    for (long i = 0; i < got;) {
      struct entry *e = (struct entry *)(some + i);
      i += e->length;
      if (!is_dot(e->name) && e->type != DT_DIR) files[n++] = strdup(e->name);
    }
    for (int i = 0; i < n; ++i) {
      if (unlinkat(of, files[i], 0) == 0) ++gone;
      else if (error == 0) error = errno;
    }
  }
  if (got < 0) return result(-1);
  say("%d gone, first error %s", gone, name_of(error));
  list(of, 0);
}
HELPER void list_create(int of) {
  char *before[10000], some[8192], made[20], text[8000] = "";
  int times[10000] = {0}, n = 0, at = 0, calls = 0, error = 0;
  long got;
  while ((got = syscall(SYS_getdents64, of, some, sizeof some)) > 0)
    for (long i = 0; i < got && n < 10000;) {
      struct entry *e = (struct entry *)(some + i);
      i += e->length;
      if (!is_dot(e->name)) before[n++] = strdup(e->name);
    }
  if (got < 0 || lseek(of, 0, SEEK_SET) < 0) return result(-1);
  qsort(before, n, sizeof *before, by_text);
  while ((got = syscall(SYS_getdents64, of, some, 320)) > 0) {
    for (long i = 0; i < got;) {
      struct entry *e = (struct entry *)(some + i);
      i += e->length;
      for (int k = 0; k < n; ++k) times[k] += strcmp(before[k], e->name) == 0;
    }
    for (int i = 0; calls == 0 && i < 4; ++i) {
      snprintf(made, sizeof made, "made%d", i);
      int to = openat(of, made, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644);
      if (to < 0 && error == 0) error = errno;
      if (to >= 0) close(to);
    }
    ++calls;
  }
  if (got < 0) return result(-1);
  for (int k = 0; k < n && at < 7000; ++k)
    if (times[k] != 1) at += snprintf(text + at, sizeof text - at, " %s came %d times", before[k], times[k]);
  say("first error %s%s", name_of(error), text);
}
HELPER void list_path(const char *path, void (*how)(int)) {
  int of = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  if (of < 0) return result(-1);
  how(of);
  close(of);
}
HELPER void whole(int of) { list(of, 0); }
HELPER void in_pieces(int of) { list(of, 1); }

/* The whole tree, one line a name. Names of one file are told by the first of them. */
HELPER void tree(const char *path, int begin) {
  static struct { ino_t ino; char *path; } seen[20000];
  static int n;
  char text[8600], shown[8000], *names[10000];
  int of, m = 0;
  DIR *directory;
  if (begin) n = 0;
  if (lstat(path, &st) != 0) { say("%s: %s", path, name_of(errno)); return; }
  describe(text, 300, 0);
  if (S_ISREG(st.st_mode)) {
    uint64_t h = 0;
    long got = -1;
    of = open(path, O_RDONLY);
    while (of >= 0 && (got = read(of, buf, sizeof buf)) > 0) h = hash(h, buf, got);
    if (got < 0) sprintf(text + strlen(text), " not read: %s", name_of(errno));
    else sprintf(text + strlen(text), " hash=%016llx", (unsigned long long)h);
    if (of >= 0) close(of);
  } else if (S_ISLNK(st.st_mode)) {
    long got = readlink(path, buf, 4096);
    sprintf(text + strlen(text), " -> %.*s", got < 0 ? 0 : (int)got, buf);
  }
  lstat(path, &st);
  if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
    int i = 0;
    while (i < n && seen[i].ino != st.st_ino) ++i;
    if (i < n) sprintf(text + strlen(text), " same as %.4000s", seen[i].path);
    else if (n < 20000) { seen[n].ino = st.st_ino; seen[n++].path = strdup(path); }
  }
  mode_t mode = st.st_mode;
  if (xattrs_of(path, shown, 4000, 1) > 0) strcat(text, shown);
  say("%s: %s", path, text);
  if (!S_ISDIR(mode)) return;
  if ((directory = opendir(path)) == 0) { say("%s: not listed: %s", path, name_of(errno)); return; }
  for (struct dirent *e; (e = readdir(directory)) != 0 && m < 10000;)
    if (!is_dot(e->d_name)) names[m++] = strdup(e->d_name);
  closedir(directory);
  qsort(names, m, sizeof *names, by_text);
  for (int i = 0; i < m; ++i) {
    char *below;
    if (asprintf(&below, "%s/%s", path, names[i]) < 0) die("asprintf");
    tree(below, 0);
    free(below);
  }
}

/* Layers: times are set, and those of the directories that are touched put back at the end. */
static struct { char *path; struct timespec time; } touched[5000];
static int touches;
HELPER void ok(long answer, const char *what) {
  if (answer < 0) {
    fprintf(stderr, "%s, %s: ", side == SEEN ? "the mount" : "the ordinary directory", what);
    die("a layer cannot be made");
  }
}
HELPER struct timespec at_ns(long long ns) {
  struct timespec t = {ns / 1000000000, ns % 1000000000};
  if (t.tv_nsec < 0) { t.tv_nsec += 1000000000; --t.tv_sec; }
  return t;
}
HELPER void set_times(const char *path, long long atime, long long mtime) {
  struct timespec times[2] = {at_ns(atime), at_ns(mtime)};
  if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) != 0) ok(-1, path);
  for (int i = 0; i < touches; ++i)
    if (strcmp(touched[i].path, path) == 0) touched[i].time = times[1];
}
HELPER void touching(const char *path) {
  char *parent = strdup(path), *slash = strrchr(parent, '/');
  if (slash) *slash = 0;
  else strcpy(parent, ".");
  for (int i = 0; i < touches; ++i)
    if (strcmp(touched[i].path, parent) == 0) return;
  if (lstat(parent, &st) == 0 && touches < 5000) {
    touched[touches].path = parent;
    touched[touches++].time = st.st_mtim;
  }
}
HELPER void put_back_times(void) {
  while (touches > 0) {
    struct timespec times[2] = {{0, UTIME_OMIT}, touched[--touches].time};
    utimensat(AT_FDCWD, touched[touches].path, times, AT_SYMLINK_NOFOLLOW);
  }
}
HELPER int remove_all(const char *path) {
  struct stat here;
  if (lstat(path, &here) != 0) return -1;
  if (!S_ISDIR(here.st_mode)) return unlink(path);
  DIR *directory = opendir(path);
  for (struct dirent *e; directory && (e = readdir(directory)) != 0;) {
    char *below;
    if (is_dot(e->d_name)) continue;
    if (asprintf(&below, "%s/%s", path, e->d_name) < 0) die("asprintf");
    remove_all(below);
    free(below);
  }
  if (directory) closedir(directory);
  return rmdir(path);
}

/* The mount. */
static char base[600], lowers[64][20];
static int lower_count;
static char upper[20];
HELPER void enter(const char *below) {
  if (chdir(base) != 0 || chdir(below) != 0) die(below);
}
HELPER void run(char **argv) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
  }
  if (child < 0 || waitpid(child, &status, 0) < 0) die("fork");
  if (status != 0) {
    fprintf(stderr, "%s: status %#x\n", argv[0], status);
    exit(2);
  }
}
HELPER void mount_union(void);
HELPER void unmount_union(void) {
  for (int i = 0; i < 6; ++i) close_slot(i);
  if (chdir(base) != 0) die(base);
  for (int i = 0; i < 100 && umount2("merged", 0) != 0; ++i) {
    if (errno == EINVAL) return; /* the first layer is an ordinary directory */
    if (i == 99 && umount2("merged", MNT_DETACH) != 0) die("umount");
    usleep(20000);
  }
}
/* A new upper layer over those that are there. */
HELPER void new_upper(void) {
  char work[30];
  snprintf(upper, sizeof upper, "layer%d", lower_count);
  snprintf(work, sizeof work, "work%d", lower_count);
  if (chdir(base) != 0 || mkdir(upper, 0755) != 0 || mkdir(work, 0755) != 0) die(upper);
  if (lower_count > 0) { /* the topmost directory is the one that is shown */
    char *below = lowers[lower_count - 1];
    if (lstat(below, &st) != 0) die(below);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    char names[4096];
    long size = llistxattr(below, names, sizeof names);
    ok(chown(upper, st.st_uid, st.st_gid), upper);
    for (char *name = names; name < names + size; name += strlen(name) + 1)
      if (!private_name(name)) ok(lsetxattr(upper, name, buf, lgetxattr(below, name, buf, sizeof buf), 0), name);
    ok(chmod(upper, st.st_mode & 07777), upper);
    ok(utimensat(AT_FDCWD, upper, times, 0), upper);
  }
}
HELPER void seal(void) {
  unmount_union();
  if (lower_count < 64) strcpy(lowers[lower_count++], upper);
}
HELPER void go_in(void) {
  if (lower_count == 0) return enter(upper);
  mount_union();
  enter("merged");
}
HELPER void remount(void) {
  snprintf(label, sizeof label, "remount");
  for (int i = 0; i < 6; ++i) close_slot(i);
  if (side == SEEN) {
    unmount_union();
    go_in();
  }
}
HELPER void commit(void) {
  snprintf(label, sizeof label, "commit");
  for (int i = 0; i < 6; ++i) close_slot(i);
  if (side == SEEN) {
    seal();
    new_upper();
    go_in();
  }
}
HELPER int has(int of, const char *text) {
  for (int i = 0; i < count[of]; ++i)
    if (strcmp(lines[of][i], text) == 0) return 1;
  return 0;
}
HELPER int compare(void) {
  int differ = 0, left = 0, right = 0;
  while (left < count[EXPECTED] || right < count[SEEN]) {
    if (left < count[EXPECTED]) {
      if (!has(SEEN, lines[EXPECTED][left])) differ += printf("expected  %s\n", lines[EXPECTED][left]) > 0;
      ++left;
    }
    if (right < count[SEEN]) {
      if (!has(EXPECTED, lines[SEEN][right])) differ += printf("seen      %s\n", lines[SEEN][right]) > 0;
      ++right;
    }
  }
  if (differ == 0) printf("no difference\n");
  return differ != 0;
}
)c";

}  // namespace layermark
