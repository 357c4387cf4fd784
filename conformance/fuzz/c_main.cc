// How a C program made of a fuzz program begins and ends.
#include "conformance/fuzz/c_program.h"

namespace layermark {

const char* const kCMain = R"c(
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
)c";

}  // namespace layermark
