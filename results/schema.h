// The JSON Schema of the result record: the structure of results/schema.json with the closed vocabularies of
// core/*.def filled in. `layermark report --schema` prints it; the build writes it to generated/schema.json.
#ifndef LAYERMARK_RESULTS_SCHEMA_H_
#define LAYERMARK_RESULTS_SCHEMA_H_

#include <string>
#include <string_view>

namespace layermark {

// The file results/schema.json as it was when layermark was built.
std::string_view SchemaStructure();
// The full schema, draft 2020-12, two-space indent, with a final line end. Made once; thread safe.
const std::string& SchemaJson();

}  // namespace layermark

#endif  // LAYERMARK_RESULTS_SCHEMA_H_
