// A client of a proxy snapshotter for tests that kill the server: says which commits were acknowledged, and
// looks afterwards whether they are there.
//
//   serve_load load SOCKET PREFIX    commits chains of snapshots, removes some, until a call finds no server;
//                                    after each acknowledged commit "commit NAME" on standard output, before
//                                    each removal "remove NAME"
//   serve_load list SOCKET           "KIND NAME PARENT" for each snapshot
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/rpc/client.h"

namespace layermark {
namespace {

void Say(const std::string& line) {
  // In one piece, so that a reader never sees half of it.
  if (write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(3);
}

bool IsGone(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kCancelled;
}

// Every other answer than ok while the server lives is a fault of it.
int Load(Snapshotter& store, const std::string& prefix) {
  std::string parent;
  std::vector<std::string> loose;
  for (int i = 0;; ++i) {
    const std::string name = fmt::format("{}.{}", prefix, i);
    const auto ended = [&](const Status& status, const char* call) {
      if (IsGone(status)) return 0;
      fmt::print(stderr, "{} {}: {}\n", call, name, status.ToString());
      return 1;
    };
    if (Status s = store.Prepare(name + ".key", parent).status(); !s.ok()) return ended(s, "prepare");
    if (Status s = store.Commit(name, name + ".key"); !s.ok()) return ended(s, "commit");
    Say(fmt::format("commit {}\n", name));
    // Every third is the parent of what follows; the others go again, two later.
    if (i % 3 == 0) {
      parent = i % 60 == 0 ? "" : name;
    } else {
      loose.push_back(name);
    }
    if (Status s = store.View(name + ".view", name).status(); !s.ok()) return ended(s, "view");
    if (Status s = store.Remove(name + ".view"); !s.ok()) return ended(s, "remove of the view");
    if (loose.size() > 2) {
      Say(fmt::format("remove {}\n", loose.front()));
      if (Status s = store.Remove(loose.front()); !s.ok()) return ended(s, "remove");
      loose.erase(loose.begin());
    }
  }
}

int List(Snapshotter& store) {
  const Status walked = store.Walk([](const Info& info) {
    fmt::print("{} {} {}\n", KindName(info.kind), info.name, info.parent);
    return Status::Ok();
  });
  if (walked.ok()) return 0;
  fmt::print(stderr, "{}\n", walked.ToString());
  return 1;
}

int Main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  const bool load = verb == "load" && argc == 4;
  if (!load && !(verb == "list" && argc == 3)) {
    fmt::print(stderr, "usage: serve_load load SOCKET PREFIX | serve_load list SOCKET\n");
    return 2;
  }
  RpcTarget target;
  target.socket = argv[2];
  auto store = DialSnapshots(target, "");
  if (!store.ok()) {
    fmt::print(stderr, "{}\n", store.status().ToString());
    return 2;
  }
  return load ? Load(**store, argv[3]) : List(**store);
}

}  // namespace
}  // namespace layermark

int main(int argc, char** argv) {
  return layermark::Main(argc, argv);
}
