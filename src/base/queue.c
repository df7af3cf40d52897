#include "base/queue.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>

struct cnn_queue {
    pthread_mutex_t lock;
    pthread_cond_t has_room, has_item;
    void **items; // a ring of `capacity` places
    size_t capacity, first, length;
    bool closed;
};

enum cnn_status cnn_queue_create(struct cnn_queue **out, size_t capacity) {
    if (capacity == 0)
        return cnn_fail(CNN_ERR_INPUT, "a queue needs room for at least one item");
    struct cnn_queue *queue = NULL;
    CNN_TRY(cnn_calloc(&queue, 1, sizeof *queue));
    enum cnn_status status = cnn_calloc(&queue->items, capacity, sizeof *queue->items);
    if (status != CNN_OK) {
        free(queue);
        return status;
    }
    queue->capacity = capacity;
    pthread_mutex_init(&queue->lock, NULL); // these three cannot fail with default attributes on Linux
    pthread_cond_init(&queue->has_room, NULL);
    pthread_cond_init(&queue->has_item, NULL);
    *out = queue;
    return CNN_OK;
}

void cnn_queue_destroy(struct cnn_queue *queue) {
    if (!queue)
        return;
    pthread_cond_destroy(&queue->has_item);
    pthread_cond_destroy(&queue->has_room);
    pthread_mutex_destroy(&queue->lock);
    free(queue->items);
    free(queue);
}

bool cnn_queue_push(struct cnn_queue *queue, void *item) {
    pthread_mutex_lock(&queue->lock);
    while (queue->length == queue->capacity && !queue->closed)
        pthread_cond_wait(&queue->has_room, &queue->lock);
    bool pushed = !queue->closed;
    if (pushed) {
        queue->items[(queue->first + queue->length) % queue->capacity] = item;
        queue->length++;
        pthread_cond_signal(&queue->has_item);
    }
    pthread_mutex_unlock(&queue->lock);
    return pushed;
}

bool cnn_queue_pop(struct cnn_queue *queue, void **out) {
    pthread_mutex_lock(&queue->lock);
    while (queue->length == 0 && !queue->closed)
        pthread_cond_wait(&queue->has_item, &queue->lock);
    bool popped = queue->length > 0;
    if (popped) {
        *out = queue->items[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
        queue->length--;
        pthread_cond_signal(&queue->has_room);
    }
    pthread_mutex_unlock(&queue->lock);
    return popped;
}

void cnn_queue_close(struct cnn_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->has_item);
    pthread_cond_broadcast(&queue->has_room);
    pthread_mutex_unlock(&queue->lock);
}

void cnn_queue_reopen(struct cnn_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->first = queue->length = 0;
    queue->closed = false;
    pthread_mutex_unlock(&queue->lock);
}

size_t cnn_queue_length(struct cnn_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    size_t length = queue->length;
    pthread_mutex_unlock(&queue->lock);
    return length;
}
