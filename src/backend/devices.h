// The GPUs of this host as the CUDA runtime shows them to this process, to tell people about. Needs neither a
// GPU nor a driver, nor a build with CUDA: then the list is empty and says why.
#ifndef CNN_BACKEND_DEVICES_H
#define CNN_BACKEND_DEVICES_H
#include <stdbool.h>
#include <stddef.h>

#define CNN_MAX_DEVICES 32

enum cnn_devices_state {
    CNN_DEVICES_NOT_BUILT, // this build has no CUDA
    CNN_DEVICES_NO_DRIVER, // no NVIDIA driver, or one too old for this build
    CNN_DEVICES_NONE,      // a driver, but no GPU this process may use
    CNN_DEVICES_FAILED,    // the driver or a GPU does not work
    CNN_DEVICES_FOUND,
};

struct cnn_device {
    char name[128]; // "" : it does not answer, see problem
    char problem[128];
    size_t total_bytes, free_bytes;
    int capability[2]; // compute capability: 9.0
    bool supported;    // this build has code for it
    bool prohibited;   // its compute mode allows no process
    bool exclusive;    // its compute mode allows one process only
};

// How two devices reach each other's memory.
enum cnn_link { CNN_LINK_HOST, CNN_LINK_PCIE, CNN_LINK_NVLINK };

struct cnn_devices {
    enum cnn_devices_state state;
    char problem[256]; // where state is not FOUND: why, in words
    char driver[24];   // "13.0": the newest CUDA the driver serves; "" without a driver
    char needed[24];   // "7.5": the least compute capability of this build
    int n;             // at most CNN_MAX_DEVICES are listed
    struct cnn_device items[CNN_MAX_DEVICES];
    enum cnn_link links[CNN_MAX_DEVICES][CNN_MAX_DEVICES];
};

// May take seconds: every device is started to ask for its free memory. Not collective.
void cnn_devices_find(struct cnn_devices *out);

#endif
