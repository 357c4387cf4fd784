// Area special: symlinks, fifos, sockets and devices through layers.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "conformance/support/case.h"

namespace layermark {

LM_CASE(special, fifo_passes_through_layers, .claim = "a fifo of a lower layer is a fifo, and carries data",
        .source = "properties 97; properties 135; L41") {
  t.Given({Layer().Fifo("p", 0622), Layer().File("other", "x")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Stat("p");
    fs.Open("h", "p", O_RDWR | O_NONBLOCK);
    fs.Do("write(p)", [&](std::string&) { return write(fs.fd("h"), "data", 4) == 4 ? 0 : errno; });
    fs.Do("read(p)", [&](std::string& seen) {
      char buffer[8];
      const ssize_t n = read(fs.fd("h"), buffer, sizeof buffer);
      if (n >= 0) seen.assign(buffer, static_cast<size_t>(n));
      return n < 0 ? errno : 0;
    });
    fs.Utimens("p", 1'000'000'000, 2'000'000'000);
  });
}

LM_CASE(special, writing_to_a_fifo_updates_its_time,
        .claim = "a write to a lower fifo updates the fifo's mtime", .source = "POSIX write(); no peer") {
  t.Given({Layer().Fifo("p", 0622)});
  t.When([](Ops& fs) {
    fs.Open("h", "p", O_RDWR | O_NONBLOCK);
    fs.Do("write(p)", [&](std::string&) { return write(fs.fd("h"), "data", 4) == 4 ? 0 : errno; });
    fs.Close("h");
    fs.StatTimes("p");
  });
}

LM_CASE(special, device_nodes_pass_through_layers,
        .claim = "character and block device nodes keep type and numbers through layers",
        .source = "properties 97; L41; L7", .needs = {Capability::priv_mknod}) {
  t.Given({Layer()
               .Mknod("null", S_IFCHR | 0666, makedev(1, 3))
               .Mknod("loop", S_IFBLK | 0600, makedev(7, 200))
               .Mknod("large", S_IFCHR | 0600, makedev(511, (1 << 18) - 1)),  // XFS takes no larger ones
           Layer().File("other", "x")});
  t.ThenStackIsRight();
}

LM_CASE(special, device_nodes_can_be_opened, .claim = "a device node of a lower layer reaches its device",
        .source = "properties 128", .needs = {Capability::priv_mknod, Capability::devices}) {
  t.Given(
      {Layer().Mknod("null", S_IFCHR | 0666, makedev(1, 3)).Mknod("zero", S_IFCHR | 0666, makedev(1, 5))});
  t.When([](Ops& fs) {
    fs.Open("z", "zero", O_RDONLY);
    fs.PRead("z", 0, 4);
    fs.Open("n", "null", O_WRONLY);
    fs.PWrite("n", 0, "x");
  });
}

LM_CASE(special, device_nodes_made_here_are_kept,
        .claim = "device nodes, fifos and sockets made in a snapshot are there after commit",
        .source = "properties 97", .needs = {Capability::priv_mknod}) {
  t.When([](Ops& fs) {
    fs.Mknod("c", S_IFCHR | 0640, makedev(1, 3));
    fs.Mknod("b", S_IFBLK | 0640, makedev(7, 9));
    fs.Mknod("p", S_IFIFO | 0640);
    fs.Mknod("s", S_IFSOCK | 0640);
    for (const char* path : {"c", "b", "p", "s"}) fs.Stat(path);
  });
}

LM_CASE(special, chmod_and_chown_of_device_nodes,
        .claim = "changing mode and owner of a lower device node or socket keeps its kind and numbers",
        .source = "properties 73; properties 97", .needs = {Capability::priv_mknod}) {
  t.Given({Layer().Mknod("c", S_IFCHR | 0600, makedev(1, 3)).Mknod("s", S_IFSOCK | 0600)});
  t.When([](Ops& fs) {
    fs.Chmod("c", 0666);
    fs.Chown("c", 1, 2);
    fs.Chmod("s", 0622);
    fs.Stat("c");
    fs.Stat("s");
  });
}

LM_CASE(special, socket_can_be_bound_and_reached,
        .claim = "a socket bound in a snapshot accepts a connection",
        .source = "properties 134; fo:special-files") {
  t.When([](Ops& fs) {
    fs.Do("bind and connect", [&](std::string&) {
      // The path of a socket address is short: go through the descriptor of the root.
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      const std::string path = "/proc/self/fd/" + std::to_string(fs.root_fd()) + "/sock";
      path.copy(address.sun_path, sizeof address.sun_path - 1);
      Fd server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      Fd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const auto* where = reinterpret_cast<const sockaddr*>(&address);
      if (bind(server.get(), where, sizeof address) != 0) return errno;
      if (listen(server.get(), 1) != 0) return errno;
      return connect(client.get(), where, sizeof address) == 0 ? 0 : errno;
    });
    fs.Chmod("sock", 0777);
    fs.Stat("sock");
    fs.Unlink("sock");
    fs.List("");
  });
}

LM_CASE(special, symlinks_of_every_kind,
        .claim = "relative, absolute, dangling, looping and long symlinks keep their targets through layers",
        .source = "properties 10; properties 11; um:sym1") {
  t.Given({Layer()
               .File("f", "x")
               .Dir("d")
               .Symlink("rel", "f")
               .Symlink("abs", "/f")
               .Symlink("dangling", "nowhere")
               .Symlink("loop1", "loop2")
               .Symlink("loop2", "loop1")
               .Symlink("dir", "d")
               .Symlink("up", "../../f")
               .Symlink("long", std::string(1000, 'l'))
               .Symlink("d/in", "../f"),
           Layer().File("other", "x")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Read("rel");
    fs.Read("dangling");
    fs.Read("loop1");
    fs.Read("d/in");
    fs.ReadLink("long");
    fs.Open("nofollow", "rel", O_RDONLY | O_NOFOLLOW);
    fs.Create("dir/new", "through a symlink");
    fs.List("d");
    fs.Append("rel", "y");
    fs.ReadLink("rel");
  });
}

LM_CASE(special, symlink_target_changes_between_layers,
        .claim = "a symlink with a new target of the same length is the new one",
        .source = "L42; containers/storage 2199") {
  t.Given({Layer().Symlink("l", "aaa").Times("l", 1000, 2000),
           Layer().Remove("l").Symlink("l", "bbb").Times("l", 1000, 2000)});
  t.ThenStackIsRight();
}

LM_CASE(special, names_that_look_like_whiteouts,
        .claim =
            "a mounted snapshot takes names such as .wh.x only as the driver's layers allow, and keeps other "
            "dot names",
        .source = "properties 15; L25") {
  t.Given({Layer().File(".hidden", "x").File("..two", "x").File("...", "x").Dir(".d").File(".d/.e", "x")});
  t.ThenStackIsRight();
  t.When([](Ops& fs) {
    fs.Unlink(".hidden");
    fs.Rename("...", "....");
    fs.List("");
  });
}

}  // namespace layermark
