// A bounded first-in first-out queue of pointers between threads.
#ifndef CNN_BASE_QUEUE_H
#define CNN_BASE_QUEUE_H
#include <cnn_dist/status.h>
#include <stdbool.h>
#include <stddef.h>

struct cnn_queue;
enum cnn_status cnn_queue_create(struct cnn_queue **out, size_t capacity) CNN_MUST_CHECK;
void cnn_queue_destroy(struct cnn_queue *queue); // does not free what is still inside
// Waits for room; false once the queue is closed.
bool cnn_queue_push(struct cnn_queue *queue, void *item);
// Waits for an item; false once the queue is closed and empty.
bool cnn_queue_pop(struct cnn_queue *queue, void **out);
void cnn_queue_close(struct cnn_queue *queue);
void cnn_queue_reopen(struct cnn_queue *queue); // empties and opens it again; no thread may be waiting in it
size_t cnn_queue_length(struct cnn_queue *queue);

#endif
