// What a command looks at: a config file or the name of an architecture, and the flags that change it.
#ifndef CNN_CLI_TARGET_H
#define CNN_CLI_TARGET_H
#include "cli/args.h"
#include "config/config.h"
#include "model/model.h"

struct cnn_target {
    const char *what;    // a config's path or an architecture; NULL: only the defaults
    const char *backend; // --backend: auto, cpu or cuda; NULL: as the config says
    struct cnn_strings set;
};
#define CNN_BACKEND_FLAG(target)                                                                             \
    CNN_STRING_FLAG("backend", &(target)->backend, "auto|cpu|cuda",                                          \
                    "use this backend instead of the config's")
#define CNN_SET_FLAG(target)                                                                                 \
    CNN_LIST_FLAG("set", &(target)->set, "KEY=VALUE", "override a value of the config")

// The config, defaults included; *is_config, which may be NULL, tells whether a file was read. The caller
// frees *out.
enum cnn_status cnn_target_config(struct cnn_config **out, bool *is_config,
                                  const struct cnn_target *target) CNN_MUST_CHECK;

// What the config leaves open as the architecture usually has it: shape of a picture, classes.
struct cnn_shape cnn_target_input(const struct cnn_config *config);
int cnn_target_classes(const struct cnn_config *config);

#endif
