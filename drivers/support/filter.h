// Filters of Walk: containerd's filter language over the fields of an Info.
//
//   filter   = clause ("," clause)*                      all clauses must hold
//   clause   = field [operator value]                    without operator: the field is present
//   field    = word ("." word)*                          a word that is not [A-Za-z][A-Za-z0-9_]* is "quoted"
//   operator = "==" | "!=" | "~="                        ~= searches a POSIX extended regular expression
//   value    = bare text up to a comma or blank, or "quoted"; after ~= also /quoted/ or |quoted|
//
// Fields: name, parent (absent without one), kind, labels.KEY. Any other field is absent. An absent field
// passes
// != and no other operator. The empty filter passes everything.
#ifndef LAYERMARK_DRIVERS_SUPPORT_FILTER_H_
#define LAYERMARK_DRIVERS_SUPPORT_FILTER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

class Filter {
 public:
  // kInvalidArgument names the filter and what is wrong with it.
  static Result<Filter> Parse(const std::string& text);
  bool Matches(const Info& info) const;
  // Whether a clause is about this field: "name", "parent", "kind", "labels".
  bool Asks(std::string_view field) const;

 private:
  struct Clause;
  std::vector<std::shared_ptr<const Clause>> clauses_;
};

// OR over all filters; no filter passes everything.
class FilterSet {
 public:
  static Result<FilterSet> Parse(const std::vector<std::string>& texts);
  bool Matches(const Info& info) const;
  bool Asks(std::string_view field) const;

 private:
  std::vector<Filter> filters_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_FILTER_H_
