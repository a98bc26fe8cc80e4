#pragma once
#include <postgresql/libpq-fe.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

// Macros and C enums that Swift sees under awkward types.

static inline const char *sluice_pg_sqlstate(const PGresult *result) {
    return PQresultErrorField(result, 'C');
}

static inline const char *sluice_pg_message(const PGresult *result) {
    return PQresultErrorField(result, 'M');
}

static inline void sluice_pg_ignore_notice(void *context, const char *message) {
    (void)context;
    (void)message;
}

// libpq's own processor prints to stderr.
static inline void sluice_pg_silence_notices(PGconn *connection) {
    PQsetNoticeProcessor(connection, sluice_pg_ignore_notice, 0);
}

static inline int sluice_epoll_ctl(int set, int operation, int descriptor, unsigned int events) {
    struct epoll_event event = {.events = events, .data = {.fd = descriptor}};
    return epoll_ctl(set, operation, descriptor, &event);
}

static const unsigned int sluice_epoll_in = EPOLLIN;
static const unsigned int sluice_epoll_out = EPOLLOUT;
static const unsigned int sluice_epoll_error = EPOLLERR | EPOLLHUP;
static const unsigned int sluice_epoll_one_shot = EPOLLONESHOT;
static const int sluice_epoll_add = EPOLL_CTL_ADD;
static const int sluice_epoll_modify = EPOLL_CTL_MOD;
static const int sluice_epoll_close_on_exec = EPOLL_CLOEXEC;
static const int sluice_event_flags = EFD_CLOEXEC | EFD_NONBLOCK;
