#include "core/glob.h"

#include <fnmatch.h>

namespace layermark {

bool GlobMatch(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

bool AnyGlobMatch(const std::vector<std::string>& patterns, const std::vector<std::string>& texts) {
  if (patterns.empty()) return true;
  for (const std::string& pattern : patterns) {
    for (const std::string& text : texts) {
      if (GlobMatch(pattern, text)) return true;
    }
  }
  return false;
}

}  // namespace layermark
