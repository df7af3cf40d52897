#include "config/libraries.h"

#include <jansson.h>
#include <yaml.h>

void cnn_config_libraries(struct cnn_libraries *list) {
    // yaml.h does not say which version it belongs to: CMake does.
    cnn_libraries_add(list, "libyaml", CNN_YAML_VERSION, yaml_get_version_string());
    cnn_libraries_add(list, "jansson", JANSSON_VERSION, jansson_version_str());
}
