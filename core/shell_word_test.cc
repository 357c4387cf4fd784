#include "core/shell_word.h"

#include <gtest/gtest.h>

#include "core/sys/process.h"

namespace layermark {
namespace {

TEST(ShellWord, APlainWordStaysAsItIs) {
  for (const char* word : {"overlay2:metacopy=on,index=off", "a/b.c", "-x", "50%", "a@b"}) {
    EXPECT_EQ(ShellWord(word), word);
  }
}

TEST(ShellWord, AShellReadsTheSameBytesBack) {
  for (const std::string word :
       {"", " ", "it's", "'", "$(reboot)", "a\\,b", "*", "~", "#x", "new\nline", "\"", "!x",
        "exec:command=python3 /a/d.py --x\\,y", "\x80\xff", "a;b|c&d<e>f", "{a,b}", "x=`y`"}) {
    const Result<CommandOutput> seen = RunCommand({"/bin/sh", "-c", "printf %s " + ShellWord(word)});
    ASSERT_TRUE(seen.ok()) << seen.status().ToString();
    EXPECT_EQ(seen->standard_output, word);
  }
}

}  // namespace
}  // namespace layermark
