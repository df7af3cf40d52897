// What stands at the two ends of a network: pixels in, softmax cross-entropy out.
#include "backend/cuda/each.cuh"
#include "backend/cuda/reduce.cuh"

// ---- pixels

struct colours {
    float scale[4], shift[4];
};

static struct colours colours_of(const struct cnn_tensor *to, const float mean[3], const float std[3]) {
    struct colours by = {};
    for (int i = 0; i < to->c; i++) {
        by.scale[i] = 1.0f / (255.0f * std[i]);
        by.shift[i] = -mean[i] / std[i];
    }
    return by;
}

// Element by element, for pixels that are as wide there as here.
template <typename T> struct plain_body {
    T *out;
    const uint8_t *pixels;
    size_t valid; // elements; what follows is 0
    int channels;
    struct colours by;
    template <int N> __device__ void at(size_t i) const {
        cnn_floats<N> v;
#pragma unroll
        for (int k = 0; k < N; k++) {
            const size_t element = i + (size_t)k;
            const int c = (int)(element % (size_t)channels);
            v.at[k] = element < valid ? (float)pixels[element] * by.scale[c] + by.shift[c] : 0.0f;
        }
        cnn_store(out + i, v);
    }
};

// Pixel by pixel: three bytes become four elements, the last of them 0.
template <typename T> struct padded_body {
    T *out;
    const uint8_t *pixels;
    size_t valid; // pixels
    struct colours by;
    __device__ cnn_floats<4> pixel(uint32_t r, uint32_t g, uint32_t b) const {
        return {(float)r * by.scale[0] + by.shift[0], (float)g * by.scale[1] + by.shift[1],
                (float)b * by.scale[2] + by.shift[2], 0.0f};
    }
    // Four pixels are three words.
    __device__ void four(size_t i) const {
        const uint32_t *words = reinterpret_cast<const uint32_t *>(pixels + i * 3);
        const uint32_t a = words[0], b = words[1], c = words[2];
        T *to = out + i * 4;
        cnn_store(to, pixel(a & 255, a >> 8 & 255, a >> 16 & 255));
        cnn_store(to + 4, pixel(a >> 24, b & 255, b >> 8 & 255));
        cnn_store(to + 8, pixel(b >> 16 & 255, b >> 24, c & 255));
        cnn_store(to + 12, pixel(c >> 8 & 255, c >> 16 & 255, c >> 24));
    }
    template <int N> __device__ void at(size_t i) const {
        if (N == 4 && i + 4 <= valid) {
            four(i);
            return;
        }
        for (size_t k = i; k < i + N; k++) {
            const uint8_t *from = pixels + k * 3;
            cnn_store(out + k * 4, k < valid ? pixel(from[0], from[1], from[2]) : cnn_filled<4>(0.0f));
        }
    }
};

enum cnn_status cnn_cuda_normalize(struct cnn_backend *backend, void *out, const struct cnn_tensor *to,
                                   const uint8_t *pixels, int n, const float mean[3], const float std[3]) {
    const struct cnn_cuda *cuda = cnn_cuda_of(backend);
    const size_t area = (size_t)to->h * (size_t)to->w, valid = (size_t)n * area, all = (size_t)to->n * area;
    const struct colours by = colours_of(to, mean, std);
    enum cnn_status status = CNN_OK;
    if (to->block != to->c && (to->c != 3 || to->block != 4))
        return cnn_fail(CNN_ERR_UNSUPPORTED, "images of %d channels in blocks of %d are not supported", to->c,
                        to->block);
    cnn_with_type(to->type, [&](auto zero) {
        using T = decltype(zero);
        const padded_body<T> padded = {(T *)out, pixels, valid, by};
        const plain_body<T> plain = {(T *)out, pixels, valid * (size_t)to->c, to->c, by};
        if (to->block == 4)
            status = cnn_each<4>(cuda, padded, all, cnn_aligned(out, pixels), "normalising pixels");
        else
            status = cnn_each<cnn_width<T>>(cuda, plain, all * (size_t)to->c, cnn_aligned(out),
                                            "normalising pixels");
    });
    return status;
}

// ---- loss

enum { LOSS_THREADS = 128, LOSS_WARPS = LOSS_THREADS / CNN_WARP };

struct result {
    double loss;
    float top1, top5;
};

// What a sample ought to be: `label`, and where two are mixed, `partner` with the rest of the weight. The
// weightier one comes first.
struct target {
    int label, partner;
    float weight;
};

static __device__ struct target target_of(const struct cnn_loss_args &args, int row) {
    const int label = args.labels[row];
    if (!args.partners)
        return {label, label, 1.0f};
    const float weight = args.weights[row];
    if (weight >= 0.5f)
        return {label, args.partners[row], weight};
    return {args.partners[row], label, 1.0f - weight};
}

static __device__ bool is_class(int label, int classes) { return label >= 0 && label < classes; }

// How many classes the label's logit loses to; ties go to the lower class. A NaN loses to all.
static __device__ float rank_of(const float *logits, int classes, int label, int lane) {
    const float own = logits[label];
    float rank = isnan(own) ? (float)classes + 5.0f : 0.0f;
    for (int j = lane; j < classes; j += CNN_WARP)
        rank += logits[j] > own || (j < label && logits[j] == own) ? 1.0f : 0.0f;
    return cnn_warp_sum(rank);
}

// A row by its warp: loss = -sum_j q_j log p_j with q = (1 - s) (w onehot(label) + (1 - w) onehot(partner)) +
// s / classes (Szegedy et al. 2016, Zhang et al. 2018); d = (p - q) * scale.
static __device__ double cross_entropy(const struct cnn_loss_args &args, const float *logits, float *d_logits,
                                       const struct target &target, int lane) {
    const int classes = args.classes;
    const float off = args.smoothing / (float)classes, on = 1.0f - args.smoothing,
                rest = 1.0f - target.weight;
    float most = -HUGE_VALF;
    double sum = 0, smooth = 0;
    for (int j = lane; j < classes; j += CNN_WARP)
        most = fmaxf(most, logits[j]);
    most = cnn_warp_max(most);
    for (int j = lane; j < classes; j += CNN_WARP) {
        sum += (double)expf(logits[j] - most);
        smooth += (double)(logits[j] - most);
    }
    sum = cnn_warp_sum(sum);
    smooth = cnn_warp_sum(smooth);
    const float scale = args.scale * args.control->loss_scale, share = (float)(1.0 / sum);
    for (int j = lane; d_logits && j < classes; j += CNN_WARP) {
        const float hot = (j == target.label ? target.weight : 0.0f) + (j == target.partner ? rest : 0.0f);
        d_logits[j] = (expf(logits[j] - most) * share - (on * hot + off)) * scale;
    }
    const double log_sum = log(sum), wanted = (double)target.weight * (double)(logits[target.label] - most) +
                                              (double)rest * (double)(logits[target.partner] - most);
    return (1.0 - (double)args.smoothing) * (log_sum - wanted) + (double)off * (classes * log_sum - smooth);
}

// A label that is no class makes the loss NaN, which ends the run. Labels were checked before they came here.
static __device__ struct result row_of(const struct cnn_loss_args &args, int row, int lane) {
    const size_t first = (size_t)row * (size_t)args.classes;
    const float *logits = args.logits + first;
    float *d_logits = args.d_logits ? args.d_logits + first : NULL;
    const struct target target = target_of(args, row);
    if (!is_class(target.label, args.classes) || !is_class(target.partner, args.classes)) {
        for (int j = lane; d_logits && j < args.classes; j += CNN_WARP)
            d_logits[j] = nanf("");
        return {nan(""), 0.0f, 0.0f};
    }
    struct result result;
    result.loss = cross_entropy(args, logits, d_logits, target, lane);
    const float rank = rank_of(logits, args.classes, target.label, lane);
    result.top1 = rank < 1.0f ? 1.0f : 0.0f;
    result.top5 = rank < 5.0f ? 1.0f : 0.0f;
    return result;
}

// A warp takes rows first, first + step, ...; a block leaves the sum of its warps' results.
static __global__ void __launch_bounds__(LOSS_THREADS)
    loss_kernel(const struct cnn_loss_args args, double *sums) {
    __shared__ struct result results[LOSS_WARPS];
    const int lane = (int)threadIdx.x % CNN_WARP, warp = (int)threadIdx.x / CNN_WARP;
    struct result mine = {0, 0.0f, 0.0f};
    for (int row = (int)blockIdx.x * LOSS_WARPS + warp; row < args.rows; row += (int)gridDim.x * LOSS_WARPS) {
        if (row >= args.n) {
            for (int j = lane; args.d_logits && j < args.classes; j += CNN_WARP)
                args.d_logits[(size_t)row * (size_t)args.classes + (size_t)j] = 0.0f;
            continue;
        }
        const struct result of = row_of(args, row, lane);
        mine.loss += of.loss;
        mine.top1 += of.top1;
        mine.top5 += of.top5;
    }
    if (lane == 0)
        results[warp] = mine;
    __syncthreads();
    if (threadIdx.x > 0)
        return;
    for (int other = 1; other < LOSS_WARPS; other++) {
        mine.loss += results[other].loss;
        mine.top1 += results[other].top1;
        mine.top5 += results[other].top5;
    }
    double *to = sums + (size_t)blockIdx.x * 3;
    to[0] = mine.loss;
    to[1] = (double)mine.top1;
    to[2] = (double)mine.top5;
}

// One block adds up what the others left, a thread for each of them.
static __global__ void __launch_bounds__(CNN_CUDA_LOSS_BLOCKS)
    loss_sums_kernel(const double *__restrict__ sums, int blocks, int n, struct cnn_control *control) {
    __shared__ double of_warps[CNN_CUDA_LOSS_BLOCKS / CNN_WARP];
    for (int k = 0; k < 3; k++) {
        const double mine = (int)threadIdx.x < blocks ? sums[threadIdx.x * 3 + (unsigned)k] : 0;
        const double all = cnn_block_sum<CNN_CUDA_LOSS_BLOCKS>(mine, of_warps);
        if (threadIdx.x == 0)
            control->sums[k] += all;
    }
    if (threadIdx.x == 0)
        control->sums[3] += n;
}

enum cnn_status cnn_cuda_loss(struct cnn_backend *backend, const struct cnn_loss_args *args) {
    const struct cnn_cuda *cuda = cnn_cuda_of(backend);
    const int useful = (args->rows + LOSS_WARPS - 1) / LOSS_WARPS,
              blocks = useful < CNN_CUDA_LOSS_BLOCKS ? useful : CNN_CUDA_LOSS_BLOCKS;
    CNN_LAUNCH(loss_kernel, (unsigned)blocks, LOSS_THREADS, cuda->compute, *args, cuda->loss_sums);
    CNN_LAUNCH(loss_sums_kernel, 1, CNN_CUDA_LOSS_BLOCKS, cuda->compute, cuda->loss_sums, blocks, args->n,
               args->control);
    return cnn_launched("computing the loss");
}
