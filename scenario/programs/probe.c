/* The probe: what a container sees and may do, told from inside. Static, so that it runs in any root.

   probe list               every path below / on its own line (format: scenario/launcher.h); does not enter a
                            directory that is another mount
   probe write PATH TEXT    creates or truncates PATH
   probe read PATH          content to standard output
   probe ids                "uid U gid G groups A,B cwd PATH pid N"
   probe descriptors        numbers of the open descriptors, with spaces between
   probe mounts             number of mounts in this namespace
   probe print TEXT         TEXT to standard output and to standard error
   probe env NAME           value of the variable
   probe serve PORT TEXT    answers TEXT to every HTTP request on 127.0.0.1:PORT until killed
   probe pause              waits for a signal
   probe exit N             exit status N

   A failure ends with exit status 1 and "probe: CALL PATH: ERROR" on standard error. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sha256.h"

static void fail(const char* call, const char* path) {
  int error = errno;
  fflush(stdout);
  fprintf(stderr, "probe: %s %s: %s\n", call, path, strerror(error));
  exit(1);
}

/* Bytes that would break a line into other fields go out as \ooo. */
static void print_escaped(const char* text) {
  if (*text == '\0') fputs("\\000", stdout); /* an empty field would vanish; no path holds a NUL */
  for (; *text != '\0'; ++text) {
    unsigned char c = (unsigned char)*text;
    if (c <= 0x20 || c >= 0x7f || c == '\\') {
      printf("\\%03o", c);
    } else {
      putchar(c);
    }
  }
}

static void print_digest(int dir, const char* name, const char* path) {
  static unsigned char buffer[65536];
  struct sha256 sum;
  char text[65];
  int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) fail("open", path);
  sha256_start(&sum);
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n < 0) fail("read", path);
    if (n == 0) break;
    sha256_add(&sum, buffer, (size_t)n);
  }
  close(fd);
  sha256_end(&sum, text);
  printf("sha256:%s", text);
}

static void print_entry(int dir, const char* name, const char* path, const struct stat* st) {
  static const char kTypes[] = "?pc?d?b?f?l?s???";
  printf("%c %o %u %u %lld %lld ", kTypes[(st->st_mode & S_IFMT) >> 12], (unsigned)(st->st_mode & 07777),
         st->st_uid, st->st_gid, S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? (long long)st->st_size : 0LL,
         (long long)st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec);
  if (!S_ISDIR(st->st_mode)) {
    printf("%llu:%llu ", (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
  } else {
    fputs("- ", stdout);
  }
  if (S_ISREG(st->st_mode)) {
    print_digest(dir, name, path);
  } else if (S_ISLNK(st->st_mode)) {
    char target[4097];
    ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
    if (n < 0) fail("readlink", path);
    target[n] = '\0';
    print_escaped(target);
  } else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
    printf("%u:%u", major(st->st_rdev), minor(st->st_rdev));
  } else {
    putchar('-');
  }
  putchar(' ');
  print_escaped(path);
  putchar('\n');
}

static void list_directory(int fd, const char* path, dev_t root_dev) {
  DIR* dir = fdopendir(fd);
  if (dir == NULL) fail("opendir", path);
  for (;;) {
    errno = 0;
    struct dirent* entry = readdir(dir);
    if (entry == NULL) {
      if (errno != 0) fail("readdir", path);
      break;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    size_t size = strlen(path) + strlen(entry->d_name) + 2;
    char* child = malloc(size);
    if (child == NULL) fail("malloc", path);
    snprintf(child, size, "%s%s%s", path, *path != '\0' ? "/" : "", entry->d_name);
    struct stat st;
    if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) fail("stat", child);
    print_entry(fd, entry->d_name, child, &st);
    if (S_ISDIR(st.st_mode) && st.st_dev == root_dev) {
      int next = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (next < 0) fail("open", child);
      list_directory(next, child, root_dev);
    }
    free(child);
  }
  closedir(dir);
}

static void list(void) {
  struct stat st;
  int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || fstat(root, &st) != 0) fail("open", "/");
  print_entry(root, "", "", &st);
  list_directory(root, "", st.st_dev);
}

static void write_file(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) fail("open", path);
  size_t size = strlen(text);
  if (write(fd, text, size) != (ssize_t)size) fail("write", path);
  if (close(fd) != 0) fail("close", path);
}

static void read_file(const char* path) {
  char buffer[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open", path);
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n < 0) fail("read", path);
    if (n == 0) break;
    fwrite(buffer, 1, (size_t)n, stdout);
  }
}

static void print_ids(void) {
  gid_t groups[256];
  char cwd[4096];
  int n = getgroups(256, groups);
  if (n < 0) fail("getgroups", "");
  if (getcwd(cwd, sizeof(cwd)) == NULL) fail("getcwd", "");
  printf("uid %u gid %u groups ", getuid(), getgid());
  for (int i = 0; i < n; ++i) printf("%s%u", i > 0 ? "," : "", groups[i]);
  printf(" cwd %s pid %d\n", cwd, getpid());
}

/* listmount(2) where the kernel has it, so that no /proc is needed; else the lines of mountinfo. What it
   lists is below the kernel's own hidden root, so that "/" is among it. */
static void count_mounts(void) {
  struct {
    uint32_t size, spare;
    uint64_t mnt_id, param;
  } request = {24, 0, 0xffffffffffffffffULL, 0};
  uint64_t ids[4096];
  long n = syscall(458, &request, ids, 4096UL, 0UL);
  if (n < 0) {
    n = 0;
    FILE* info = fopen("/proc/self/mountinfo", "re");
    if (info == NULL) fail("open", "/proc/self/mountinfo");
    for (int c; (c = fgetc(info)) != EOF;) n += c == '\n';
  }
  printf("%ld\n", n);
}

static void print_descriptors(void) {
  const char* space = "";
  for (int fd = 0; fd < 65536; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    printf("%s%d", space, fd);
    space = " ";
  }
  putchar('\n');
}

static void serve(int port, const char* text) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(listener, (struct sockaddr*)&address, sizeof(address)) != 0) fail("bind", "127.0.0.1");
  if (listen(listener, 16) != 0) fail("listen", "127.0.0.1");
  for (;;) {
    char request[4096];
    int peer = accept(listener, NULL, NULL);
    if (peer < 0) fail("accept", "127.0.0.1");
    if (read(peer, request, sizeof(request)) > 0) {
      dprintf(peer, "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);
    }
    close(peer);
  }
}

int main(int argc, char** argv) {
  const char* command = argc > 1 ? argv[1] : "";
  if (strcmp(command, "list") == 0) {
    list();
  } else if (strcmp(command, "write") == 0 && argc == 4) {
    write_file(argv[2], argv[3]);
  } else if (strcmp(command, "read") == 0 && argc == 3) {
    read_file(argv[2]);
  } else if (strcmp(command, "ids") == 0) {
    print_ids();
  } else if (strcmp(command, "descriptors") == 0) {
    print_descriptors();
  } else if (strcmp(command, "mounts") == 0) {
    count_mounts();
  } else if (strcmp(command, "print") == 0 && argc == 3) {
    printf("%s", argv[2]);
    fprintf(stderr, "%s", argv[2]);
  } else if (strcmp(command, "env") == 0 && argc == 3) {
    const char* value = getenv(argv[2]);
    if (value == NULL) {
      errno = ENOENT;
      fail("getenv", argv[2]);
    }
    printf("%s", value);
  } else if (strcmp(command, "serve") == 0 && argc == 4) {
    serve(atoi(argv[2]), argv[3]);
  } else if (strcmp(command, "pause") == 0) {
    pause();
  } else if (strcmp(command, "exit") == 0 && argc == 3) {
    return atoi(argv[2]);
  } else {
    fprintf(stderr, "probe: unknown command %s\n", command);
    return 2;
  }
  if (fflush(stdout) != 0) fail("write", "standard output");
  return 0;
}
