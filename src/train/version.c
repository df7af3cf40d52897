#include <cnn_dist/version.h>

const char *cnn_dist_version(void) { return CNN_DIST_VERSION; }
