// Glob patterns as --filter and expected_failures.toml use them: * ? [..] over the whole text.
#ifndef LAYERMARK_CORE_GLOB_H_
#define LAYERMARK_CORE_GLOB_H_

#include <string>
#include <vector>

namespace layermark {

bool GlobMatch(const std::string& pattern, const std::string& text);
// True where any pattern matches any text, and for no patterns at all.
bool AnyGlobMatch(const std::vector<std::string>& patterns, const std::vector<std::string>& texts);

}  // namespace layermark

#endif  // LAYERMARK_CORE_GLOB_H_
