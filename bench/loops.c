/* The two inner loops of the benchmarks, called from loops.py through ctypes; loops.py has the same in Python.
 *
 * raw_serve  the limit to compare a server with: an epoll loop that sends a ready-made frame to every connection,
 *            one send() a frame, for each frame that comes in. It knows no handshake, no JSON and no database.
 * fan_out    load: one connection sends, all wait for what arrives.
 * post       load: some connections send, each its next message when the last one was acked.
 *
 * The loads never sleep: they poll, since a server that has to wake its peers is charged for it by the kernel, and the
 * more the slower it is. They note how long they were busy, to show that they were not the limit.
 *
 * All descriptors are connected, non-blocking sockets. Frames are WebSocket text frames; those we send are masked with
 * a key of zeros, which leaves the payload readable and is as good as any for a server.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CARRY = 4096, CHUNK = 1 << 18, EVENTS = 512, TEXT = 1 };

typedef struct {
    int fd, carried;               /* bytes of an unfinished frame */
    long frames;                   /* text frames received */
    int64_t sent_at;               /* ns; when the unanswered message left */
    unsigned char carry[CARRY];
} Connection;

static const char POSITION[] = "{\"type\":\"position\""; /* frames that a resumable client gets beside its events; not counted */
static const int64_t PATIENCE = 10000000000LL; /* ns without any frame after which a load gives up */

static unsigned char buffer[CARRY + CHUNK];

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Bytes of the frame at p, 0 if its header is not complete; the payload starts *start bytes in. */
static long frame_size(const unsigned char *p, long have, long *start) {
    if (have < 2) return 0;
    long size = p[1] & 127, head = 2;
    if (size == 126) {
        if (have < 4) return 0;
        size = p[2] << 8 | p[3], head = 4;
    } else if (size == 127) {
        return -1;                 /* no frame of ours is that long */
    }
    if (p[1] & 128) head += 4;
    *start = head;
    return head + size;
}

/* Sends everything, waiting where the kernel's buffer is full. */
static int send_all(int fd, const char *data, long size) {
    while (size > 0) {
        long n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) continue;
        if (n < 0) return -1;
        data += n, size -= n;
    }
    return 0;
}

/* Takes what arrived on c and calls back for each text frame that is no position. Returns -1 if the connection is gone or sent nonsense. */
typedef void (*on_frame)(void *context, Connection *c, const unsigned char *payload);

static int receive(Connection *c, on_frame callback, void *context) {
    memcpy(buffer, c->carry, c->carried);
    long have = recv(c->fd, buffer + c->carried, CHUNK, 0);
    if (have < 0 && errno == EAGAIN) return 0;
    if (have <= 0) return -1;
    have += c->carried;
    const unsigned char *p = buffer;
    for (;;) {
        long start = 0, size = frame_size(p, have, &start);
        if (size < 0) return -1;
        if (size == 0 || size > have) break;
        if ((p[0] & 15) == TEXT && (size - start < (long)sizeof POSITION - 1 || memcmp(p + start, POSITION, sizeof POSITION - 1))) {
            c->frames++;
            if (callback) callback(context, c, p + start);
        }
        p += size, have -= size;
    }
    if (have > CARRY) return -1;
    memcpy(c->carry, p, have);
    c->carried = have;
    return 0;
}

static int watch(Connection **all, const int *fds, int n) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    Connection *connections = calloc(n, sizeof *connections);
    for (int i = 0; i < n; i++) {
        connections[i].fd = fds[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &event);
    }
    *all = connections;
    return poll;
}

static void leave(int poll, Connection *all) {
    close(poll);
    free(all);
}

typedef struct {
    int poll;
    int64_t woke, busy;            /* ns */
    struct epoll_event events[EVENTS];
} Spin;

/* Polls until something arrived; returns how many events, 0 if PATIENCE is at an end. */
static int await_events(Spin *s) {
    int64_t asked = now_ns();
    if (s->woke) s->busy += asked - s->woke;
    for (long polls = 1;; polls++) {
        int ready = epoll_wait(s->poll, s->events, EVENTS, 0);
        if (ready == 0 && polls % 1024) continue;
        s->woke = now_ns();
        if (ready > 0) return ready;
        if (s->woke - asked > PATIENCE) return 0;
    }
}

/* For each frame that comes in on any connection sends `frame` to all of them; `frames` holds `most` copies of it.
 * With `join` the frames that came in together go out in one send() a connection, else each in its own.
 * Ends when a connection closes. */
void raw_serve(const int *fds, int n, const char *frames, long size, int most, int join) {
    Connection *all;
    struct epoll_event events[EVENTS];
    int poll = watch(&all, fds, n);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            long before = c->frames;
            if (receive(c, NULL, NULL) < 0) return;
            long fresh = c->frames - before;
            while (fresh > 0) {
                long together = !join ? 1 : fresh < most ? fresh : most;
                for (int k = 0; k < n; k++) send_all(fds[k], frames, together * size);
                fresh -= together;
            }
        }
    }
}

/* `rounds` times: the first connection sends `burst` frames (`data`, `size` bytes in all), then every connection,
 * the first one too, receives `burst` text frames. Returns 0, -1 if a connection failed; *busy is how many ns it was. */
int fan_out(const int *fds, int n, const char *data, long size, int burst, int rounds, double pause, int64_t *took,
            int64_t *busy) {
    Connection *all;
    Spin spin = {.poll = watch(&all, fds, n)};
    for (int round = 1; round <= rounds; round++) {
        int waiting = n;
        long wanted = (long)round * burst;
        int64_t sent = now_ns();
        if (send_all(fds[0], data, size) < 0) return -1;
        while (waiting) {
            int ready = await_events(&spin);
            if (!ready) return -1;
            for (int i = 0; i < ready; i++) {
                Connection *c = spin.events[i].data.ptr;
                long before = c->frames;
                if (receive(c, NULL, NULL) < 0) return -1;
                if (before < wanted && c->frames >= wanted) {
                    waiting--;
                    if (took) took[(long)(round - 1) * n + (c - all)] = now_ns() - sent;
                }
            }
        }
        while (now_ns() - sent < pause * 1e9) {}
    }
    *busy = spin.busy;
    leave(spin.poll, all);
    return 0;
}

typedef struct {
    Connection *all;
    const char *data;
    long size, acked, most, in_flight, events;
    int64_t end, *latencies;
    int failed;
} Posts;

static void post_one(Posts *p, Connection *c) {
    c->sent_at = now_ns();
    p->in_flight++;
    if (send_all(c->fd, p->data + (c - p->all) * p->size, p->size) < 0) p->failed = 1;
}

static void on_reply(void *context, Connection *c, const unsigned char *payload) {
    Posts *p = context;
    if (payload[2] == 't') {                           /* {"type":…: an event */
        p->events++;
        return;
    }
    if (memcmp(payload, "{\"ok\":true", 10)) p->failed = 1;
    int64_t now = now_ns();
    p->latencies[p->acked++] = now - c->sent_at;
    p->in_flight--;
    if (now < p->end && p->acked + p->in_flight < p->most) post_one(p, c);
}

/* For `seconds` the first `senders` connections post, each with one message on its way; connection i sends the `size`
 * bytes at data + i * size. Every message is an event for `others` connections; it ends when all acks and all events
 * are in. Latencies in ns go to `latencies`, `most` at most.
 * Returns how many messages were acked, -1 if a connection failed or a message was refused; *busy is as above. */
long post(const int *fds, int n, int senders, int others, const char *data, long size, double seconds,
          int64_t *latencies, long most, int64_t *busy) {
    Connection *all;
    Spin spin = {.poll = watch(&all, fds, n)};
    Posts p = {.all = all, .data = data, .size = size, .most = most, .end = now_ns() + (int64_t)(seconds * 1e9),
               .latencies = latencies};
    for (int i = 0; i < senders; i++) post_one(&p, &all[i]);
    while ((p.in_flight > 0 || p.events < p.acked * others) && !p.failed) {
        int ready = await_events(&spin);
        if (!ready) return -1;
        for (int i = 0; i < ready; i++)
            if (receive(spin.events[i].data.ptr, on_reply, &p) < 0) return -1;
    }
    *busy = spin.busy;
    leave(spin.poll, all);
    return p.failed ? -1 : p.acked;
}
