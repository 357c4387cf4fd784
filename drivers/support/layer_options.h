// The layers of a union in a mount's options, as others write them: joined in one "lowerdir=" option.
#ifndef LAYERMARK_DRIVERS_SUPPORT_LAYER_OPTIONS_H_
#define LAYERMARK_DRIVERS_SUPPORT_LAYER_OPTIONS_H_

#include <string>
#include <vector>

namespace layermark {

// One "lowerdir=" option for each layer, as Mount has it, where the type is overlay's or a FUSE program's;
// the options as they are for any other.
std::vector<std::string> TakeLayersApart(const std::string& type, const std::vector<std::string>& options);
// The reverse: all layers in the place of the first, ':' between them, and '\' before a ':', ',' or '\' that
// belongs to a path.
std::vector<std::string> JoinLayers(const std::vector<std::string>& options);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_LAYER_OPTIONS_H_
