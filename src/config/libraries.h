// The outside libraries of this folder (base/library.h): libyaml, jansson.
#ifndef CNN_CONFIG_LIBRARIES_H
#define CNN_CONFIG_LIBRARIES_H
#include "base/library.h"

void cnn_config_libraries(struct cnn_libraries *list);

#endif
