// Which version of the library this is.
#ifndef CNN_DIST_VERSION_H
#define CNN_DIST_VERSION_H

// "0.1.0". Not collective.
const char *cnn_dist_version(void);

#endif
