// The devices' part of judge.h.
#include "base/clock.h"
#include "cli/judge.h"

#include <stdio.h>

// A GPU of which others hold more than this share is not free to train on.
#define MOST_TAKEN 0.5

static void judge_device(struct cnn_findings *out, int number, const struct cnn_device *device,
                         const char *needed) {
    char free_text[32], total_text[32];
    cnn_format_bytes(free_text, sizeof free_text, (double)device->free_bytes);
    cnn_format_bytes(total_text, sizeof total_text, (double)device->total_bytes);
    if (*device->problem)
        cnn_found_fail(out, "see nvidia-smi; restarting the machine or using another GPU may help",
                       "GPU %d %s: %s", number, device->name, device->problem);
    else if (!device->supported)
        cnn_found_fail(out, "use another GPU, or build with an older CUDA",
                       "GPU %d %s: compute capability %d.%d, this build needs %s or later", number,
                       device->name, device->capability[0], device->capability[1], needed);
    else if (device->prohibited)
        cnn_found_fail(out, "nvidia-smi --compute-mode 0 allows processes",
                       "GPU %d %s: the compute mode allows no processes", number, device->name);
    else if ((double)device->free_bytes < (1 - MOST_TAKEN) * (double)device->total_bytes)
        cnn_found_warn(out, "nvidia-smi shows which process uses it",
                       "GPU %d %s: only %s of %s free, compute capability %d.%d", number, device->name,
                       free_text, total_text, device->capability[0], device->capability[1]);
    else
        cnn_found_ok(out, "GPU %d %s: %s of %s free, compute capability %d.%d", number, device->name,
                     free_text, total_text, device->capability[0], device->capability[1]);
}

static bool any_exclusive(const struct cnn_devices *devices) {
    for (int i = 0; i < devices->n; i++)
        if (devices->items[i].exclusive)
            return true;
    return false;
}

static void judge_sharing(struct cnn_findings *out, const struct cnn_devices *devices, int local_size) {
    if (local_size <= devices->n)
        cnn_found_ok(out, "%d GPU%s for %d rank%s, driver for CUDA %s", devices->n,
                     devices->n == 1 ? "" : "s", local_size, local_size == 1 ? "" : "s", devices->driver);
    else if (any_exclusive(devices))
        cnn_found_fail(out, "start one rank per GPU, or run nvidia-smi --compute-mode 0",
                       "%d ranks share %d GPU%s, but the compute mode allows only one process", local_size,
                       devices->n, devices->n == 1 ? "" : "s");
    else
        cnn_found_warn(out, "start one rank per GPU",
                       "%d ranks share %d GPU%s: they take turns, and gradients are exchanged through host "
                       "memory",
                       local_size, devices->n, devices->n == 1 ? "" : "s");
}

// A ring is as fast as its slowest link.
static void judge_links(struct cnn_findings *out, const struct cnn_devices *devices) {
    enum cnn_link worst = CNN_LINK_NVLINK;
    int from_worst = 0, to_worst = 0;
    for (int from = 0; from < devices->n; from++)
        for (int to = 0; to < devices->n; to++)
            if (from != to && devices->links[from][to] < worst) {
                worst = devices->links[from][to];
                from_worst = from;
                to_worst = to;
            }
    if (devices->n < 2)
        return;
    if (worst == CNN_LINK_HOST)
        cnn_found_warn(out, "training works, but the exchange of gradients is slower; see nvidia-smi topo -m",
                       "GPU %d reaches GPU %d only through host memory", from_worst, to_worst);
    else
        cnn_found_ok(out, "GPUs are connected by %s", worst == CNN_LINK_NVLINK ? "NVLink" : "PCIe");
}

static void judge_none(struct cnn_findings *out, const struct cnn_devices *devices, bool driver_here) {
    switch (devices->state) {
    case CNN_DEVICES_NOT_BUILT:
        if (driver_here)
            cnn_found_warn(out, "to train on GPUs, rebuild with the CUDA Toolkit and cuDNN",
                           "an NVIDIA driver is installed, but cnn_dist was built without CUDA");
        else
            cnn_found_ok(out, "GPUs: not supported by this build (built without CUDA)");
        break;
    case CNN_DEVICES_NO_DRIVER:
        if (*devices->driver)
            cnn_found_warn(out,
                           "install a newer driver, or build with an older CUDA; otherwise training runs on "
                           "the CPU",
                           "the NVIDIA driver supports only CUDA %s: %s", devices->driver, devices->problem);
        else
            cnn_found_warn(out, "install one to train on GPUs; otherwise training runs on the CPU",
                           "no NVIDIA driver: %s", devices->problem);
        break;
    case CNN_DEVICES_NONE:
        cnn_found_warn(out, "check CUDA_VISIBLE_DEVICES, and whether the job requested GPUs",
                       "no GPU is available to this process: %s", devices->problem);
        break;
    default:
        cnn_found_fail(out, "see nvidia-smi", "the NVIDIA driver does not work: %s", devices->problem);
    }
}

void cnn_judge_devices(struct cnn_findings *out, const struct cnn_devices *devices, int local_size,
                       bool driver_here) {
    if (devices->state != CNN_DEVICES_FOUND) {
        judge_none(out, devices, driver_here);
        return;
    }
    for (int i = 0; i < devices->n; i++)
        judge_device(out, i, &devices->items[i], devices->needed);
    judge_sharing(out, devices, local_size);
    judge_links(out, devices);
}
