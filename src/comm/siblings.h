// Private to comm/: what the system says about the other processes of the job on this host, for the time in
// which MPI cannot say anything yet.
#ifndef CNN_COMM_SIBLINGS_H
#define CNN_COMM_SIBLINGS_H

// The lowest rank of the job of `namespace` (PMIX_NAMESPACE) that is stopped (SIGSTOP) on this host; -1:
// none. Only Linux with /proc knows. Not collective.
int cnn_siblings_find_stopped(const char *namespace);

#endif
