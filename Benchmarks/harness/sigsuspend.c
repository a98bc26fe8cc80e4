/*
 * Preloaded under valgrind 3.19, which writes to the signal mask that it is given in sigsuspend(2). libdispatch's main
 * thread gives it a constant, in read-only memory, and valgrind dies. This one hands it a copy.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
    sigset_t copy = *mask;
    return (int)syscall(SYS_rt_sigsuspend, &copy, _NSIG / 8);
}
