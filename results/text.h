// Small pure functions that put any bytes into a text format legally: file names and program output reach the
// exporters as they are. Threads: pure functions. Cost: linear.
#ifndef LAYERMARK_RESULTS_TEXT_H_
#define LAYERMARK_RESULTS_TEXT_H_

#include <string>
#include <string_view>
#include <vector>

namespace layermark {

// Valid UTF-8 without control characters other than line end and tab: a control character becomes "\x1b", a
// byte that is no UTF-8 becomes "\xff" (four visible characters each), and so does what XML 1.0 cannot hold.
std::string Visible(std::string_view text);
// Visible, with line ends and tabs as spaces.
std::string OneLine(std::string_view text);
// Visible, split at line ends; no line for an empty text, none for a final line end.
std::vector<std::string> Lines(std::string_view text);
// Visible and escaped for XML text and for attribute values in double quotes (line ends as &#10;).
std::string XmlText(std::string_view text);
std::string XmlAttribute(std::string_view text);
// "812 us", "3.4 s", "64 MiB", "44,039", "2.03": a value of a unit of core/metrics.def for people, three
// digits.
std::string Humanly(double value, std::string_view unit);

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_TEXT_H_
