/*
 * fuzz.link.lower.regular: expected tree, seen mtime regular
 * found with unionfs_fuse unionfs-fuse 1.0 on tmpfs
 * 
 * a: mtime: expected 1000000000, got 1795800459.165748804
 * a/a: mtime: expected 1000000000.000001, got 1000000000
 * a/c: mtime: expected 1000000000.000002, got 1795800459.165748804
 * a/c/x y/e: mtime: expected 1000000000.000001, got 1000000000
 * 
 * layermark-fuzz 1
 * layer
 *   dir path="a" mode=0755
 *   file path="a/a" mode=0644 data="X"
 *   dir path="a/c" mode=0755
 *   dir path="a/c/x y" mode=0755
 * steps
 *   link path="a/a" target="a/c/x y/e" flags=0
 *   check
 *
 * cc -Wall -o program THIS.c && sudo ./program [EMPTY DIRECTORY of the file system to use; default: a tmpfs]
 * It makes the layers, mounts the union, and runs the steps on an ordinary directory and on the mount.
 * Status 1: they differ, as printed; 0: they do not.
 */
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
  if (with_links && (0 || !S_ISDIR(st.st_mode)))
    n += snprintf(out + n, room - n, " nlink=%d", (int)st.st_nlink);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
    snprintf(out + n, room - n, " rdev=%u:%u", major(st.st_rdev), minor(st.st_rdev));
}
HELPER int close_slot(int slot) {
  int answer = fd[slot] < 0 ? (errno = EBADF, -1) : close(fd[slot]);
  fd[slot] = -1;
  return answer;
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

static void mount_union(void) {
  static char text[9000];
  int n = 0;
  n = snprintf(text, sizeof text, "dirs=%s/%s=RW", base, upper);
  for (int i = lower_count; i-- > 0;) n += snprintf(text + n, sizeof text - n, ":%s/%s=RO", base, lowers[i]);
  if (chdir(base) != 0) die(base);
  char *argv[] = {"unionfs", "-o", "cow", "-o", "dev", "-o", "suid", "-o", "allow_other", "-o", "use_ino", "-o", "hide_meta_files", "-o", text, "merged", 0};
  run(argv);
}

static void layer_0(void) {
  touching("a");
  ok(mkdir("a", 0755), "a");
  ok(chmod("a", 0755), "a");
  set_times("a", 1000000000000000000LL, 1000000000000000000LL);
  touching("a/a");
  fd[0] = open("a/a", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ok(fd[0], "a/a");
  ok(pwrite(fd[0], "X", 1, 0), "a/a");
  ok(fchmod(fd[0], 0644), "a/a");
  close_slot(0);
  set_times("a/a", 1000000000000001000LL, 1000000000000001000LL);
  touching("a/c");
  ok(mkdir("a/c", 0755), "a/c");
  ok(chmod("a/c", 0755), "a/c");
  set_times("a/c", 1000000000000002000LL, 1000000000000002000LL);
  touching("a/c/x y");
  ok(mkdir("a/c/x y", 0755), "a/c/x y");
  ok(chmod("a/c/x y", 0755), "a/c/x y");
  set_times("a/c/x y", 1000000000000003000LL, 1000000000000003000LL);
}
static void (*const layers[])(void) = {layer_0, 0};

static void steps(void) {
  strcpy(label, "step 1, link path=\"a/a\" target=\"a/c/x y/e\" flags=0");
  result(linkat(AT_FDCWD, "a/a", AT_FDCWD, "a/c/x y/e", 0));
  strcpy(label, "step 2, check");
  tree(".", 1);
}

int main(int argc, char **argv) {
  if (geteuid() != 0) return fprintf(stderr, "needs root: it mounts\n"), 2;
  if (unshare(CLONE_NEWNS) != 0 || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) != 0) die("unshare");
  char directory[] = "/tmp/fuzz-XXXXXX";
  if (argc > 1) {
    if (chdir(argv[1]) != 0) die(argv[1]);
  } else {
    /* a tmpfs that goes with this process */
    if (mkdtemp(directory) == 0 || mount("tmpfs", directory, "tmpfs", 0, "mode=755") != 0) die(directory);
    if (chdir(directory) != 0) die(directory);
  }
  if (getcwd(base, sizeof base) == 0 || mkdir("plain", 0755) != 0 || mkdir("merged", 0755) != 0) die("mkdir");
  umask(022);
  setgroups(0, 0);
  signal(SIGPIPE, SIG_IGN);
  alarm(60);
  began = time(0);
  for (int i = 0; i < 6; ++i) fd[i] = -1;
  int layer_count = sizeof layers / sizeof *layers - 1;
  for (side = EXPECTED; side <= SEEN; ++side) {
    if (side == SEEN) new_upper();
    for (int i = 0; i < layer_count; ++i) {
      if (side == SEEN) go_in();
      else enter("plain");
      layers[i]();
      put_back_times();
      if (side == SEEN) {
        seal();
        new_upper();
      }
    }
    if (side == SEEN) go_in();
    else enter("plain");
    steps();
    for (int i = 0; i < 6; ++i) close_slot(i);
  }
  side = SEEN;
  unmount_union();
  int differ = compare();
  if (argc <= 1 && chdir("/") == 0) {
    umount2(directory, MNT_DETACH);
    rmdir(directory);
  }
  return differ;
}
