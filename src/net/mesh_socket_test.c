/* Meshes over real sockets, TLS and plain, and peers that misbehave. */
#include "base/clock.h"
#include "net/mesh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PARTIES = 3 };

static const char *const NAMES[PARTIES] = {"insurer", "registry", "hospital"};

typedef struct fixture {
    cm_identity *ids[PARTIES];
    cm_identity *eve, *expired;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    for (unsigned i = 0; i < PARTIES; i++) {
        assert_int_equal(cm_identity_generate(NAMES[i], 30, &f->ids[i], NULL), CM_OK);
    }
    assert_int_equal(cm_identity_generate("eve", 30, &f->eve, NULL), CM_OK);
    assert_int_equal(cm_identity_generate("expired", -1, &f->expired, NULL), CM_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    for (unsigned i = 0; i < PARTIES; i++) {
        cm_identity_free(f->ids[i]);
    }
    cm_identity_free(f->eve);
    cm_identity_free(f->expired);
    free(f);
    return 0;
}

/* Two ends of a TCP connection over loopback. */
static void tcp_pair(int ret_fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ret_fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(ret_fds[0], (struct sockaddr *)&address, length), 0);
    ret_fds[1] = accept(listener, NULL, NULL);
    assert_true(ret_fds[1] >= 0);
    close(listener);
}

/* One participant: how it is set up, what it does, what came of it. */
typedef struct participant {
    bool plain;
    cm_mesh_tls options;
    int fds[PARTIES];
    cm_cert certs[PARTIES];
    void (*act)(struct participant *p);
    pthread_t thread;
    cm_mesh *mesh; /* NULL when it could not be set up */
    cm_status status;
    cm_diag diag;
    int wrong; /* expectations that did not hold */
} participant;

static void *run_participant(void *arg)
{
    participant *p = arg;
    p->status = p->plain ? cm_mesh_new_plain(&p->options, &p->mesh, &p->diag)
                         : cm_mesh_new_tls(&p->options, &p->mesh, &p->diag);
    if (p->status == CM_OK) {
        p->act(p);
        p->diag = *cm_mesh_diag(p->mesh);
        cm_mesh_free(p->mesh);
    }
    return NULL;
}

static void prepare(const fixture *f, participant *p, unsigned me, unsigned participants,
                    void (*act)(participant *))
{
    *p = (participant){.act = act};
    for (unsigned i = 0; i < PARTIES; i++) {
        p->fds[i] = -1;
        p->certs[i] = *cm_identity_cert(f->ids[i]);
    }
    p->options = (cm_mesh_tls){.me = me,
                               .participants = participants,
                               .fds = p->fds,
                               .identity = f->ids[me],
                               .certs = p->certs,
                               .names = NAMES,
                               .timeout_ms = 5000,
                               .idle_timeout_ms = 5000};
}

static void connect_all(participant *p, unsigned participants)
{
    for (unsigned i = 0; i < participants; i++) {
        for (unsigned j = i + 1; j < participants; j++) {
            int fds[2];
            tcp_pair(fds);
            p[i].fds[j] = fds[0];
            p[j].fds[i] = fds[1];
        }
    }
}

static void run_all(participant *p, unsigned participants)
{
    for (unsigned i = 0; i < participants; i++) {
        assert_int_equal(pthread_create(&p[i].thread, NULL, run_participant, &p[i]), 0);
    }
    for (unsigned i = 0; i < participants; i++) {
        assert_int_equal(pthread_join(p[i].thread, NULL), 0);
    }
}

static void expect(participant *p, bool condition)
{
    p->wrong += !condition;
}

/* ---- honest parties ---- */

static uint8_t pattern(unsigned from, size_t frame, size_t at)
{
    return (uint8_t)(from * 131 + frame * 31 + at * 7 + (at >> 8));
}

static void send_pattern(participant *p, unsigned to, size_t frame, size_t bytes)
{
    uint8_t *data = malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++) {
        data[i] = pattern(p->options.me, frame, i);
    }
    expect(p, cm_mesh_send(p->mesh, to, data, bytes) == CM_OK);
    free(data);
}

static void recv_pattern(participant *p, unsigned from, size_t frame, size_t bytes)
{
    uint8_t *data = malloc(bytes + 1);
    size_t bad = 0;
    expect(p, cm_mesh_recv(p->mesh, from, data, bytes) == CM_OK);
    for (size_t i = 0; i < bytes; i++) {
        bad += data[i] != pattern(from, frame, i);
    }
    expect(p, bad == 0);
    free(data);
}

static const size_t SIZES[] = {0,     1,     2,     16379, 16380,  16381,
                               16384, 16385, 65536, 65537, 300001, 3 << 20};

/* All to all, in three orders: as sent, the other peer first, and everything sent beforehand. */
static void talk_to_all(participant *p)
{
    unsigned me = p->options.me, next = (me + 1) % PARTIES, last = (me + 2) % PARTIES;
    for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
        send_pattern(p, next, i, SIZES[i]);
        recv_pattern(p, last, i, SIZES[i]);
    }
    for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
        send_pattern(p, next, i, SIZES[i]);
        send_pattern(p, last, i, SIZES[CM_COUNT(SIZES) - 1 - i]);
        recv_pattern(p, next, i, SIZES[CM_COUNT(SIZES) - 1 - i]);
        recv_pattern(p, last, i, SIZES[i]);
    }
    for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
        send_pattern(p, next, i, SIZES[i]);
        send_pattern(p, last, i, SIZES[i]);
    }
    expect(p, cm_mesh_flush(p->mesh) == CM_OK);
    for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
        recv_pattern(p, last, i, SIZES[i]);
    }
    for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
        recv_pattern(p, next, i, SIZES[i]);
    }
    cm_mesh_stats stats = cm_mesh_statistics(p->mesh);
    expect(p, stats.bytes_sent == stats.bytes_received);
    expect(p, stats.frames_sent == 5 * CM_COUNT(SIZES));
}

static void every_size_in_every_order(void **state)
{
    for (int plain = 0; plain < 2; plain++) {
        participant p[PARTIES];
        for (unsigned i = 0; i < PARTIES; i++) {
            prepare(*state, &p[i], i, PARTIES, talk_to_all);
            p[i].plain = plain;
        }
        connect_all(p, PARTIES);
        run_all(p, PARTIES);
        for (unsigned i = 0; i < PARTIES; i++) {
            assert_int_equal(p[i].status, CM_OK);
            assert_string_equal(p[i].diag.message, "");
            assert_int_equal(p[i].wrong, 0);
        }
    }
}

/* Much more than all buffers of the kernel, both ways at once. */
static void swap_large(participant *p)
{
    enum { LARGE = 48 << 20 };
    uint8_t *out = malloc(LARGE), *in = malloc(LARGE);
    unsigned me = p->options.me, peer = 1 - me;
    for (unsigned i = 0; i < 2; i++) {
        memset(out, (int)(me + 1 + i), LARGE);
        expect(p, cm_mesh_send(p->mesh, peer, out, LARGE) == CM_OK);
        expect(p, cm_mesh_recv(p->mesh, peer, in, LARGE) == CM_OK);
        memset(out, (int)(peer + 1 + i), LARGE);
        expect(p, memcmp(in, out, LARGE) == 0);
    }
    free(out);
    free(in);
}

static void large_frames_cross_without_deadlock(void **state)
{
    participant p[2];
    for (unsigned i = 0; i < 2; i++) {
        prepare(*state, &p[i], i, 2, swap_large);
    }
    connect_all(p, 2);
    run_all(p, 2);
    assert_int_equal(p[0].wrong + p[1].wrong, 0);
}

/* What was sent and not flushed still arrives when the sender is done and frees its mesh. */
static void send_and_leave(participant *p)
{
    if (p->options.me == 0) {
        send_pattern(p, 1, 0, 20 << 20);
    } else {
        struct timespec pause = {.tv_nsec = 50000000};
        nanosleep(&pause, NULL);
        recv_pattern(p, 0, 0, 20 << 20);
        uint8_t byte;
        expect(p, cm_mesh_recv(p->mesh, 0, &byte, 1) == CM_EPEER);
    }
}

static void a_leaving_sender_is_heard(void **state)
{
    participant p[2];
    for (unsigned i = 0; i < 2; i++) {
        prepare(*state, &p[i], i, 2, send_and_leave);
    }
    connect_all(p, 2);
    run_all(p, 2);
    assert_int_equal(p[0].wrong + p[1].wrong, 0);
    assert_string_equal(p[1].diag.message, "insurer closed its link too early");
}

/* ---- who is refused ---- */

static void do_nothing(participant *p)
{
    (void)p;
}

static void run_pair_with(const fixture *f, participant p[2], const cm_identity *presented)
{
    for (unsigned i = 0; i < 2; i++) {
        prepare(f, &p[i], i, 2, do_nothing);
    }
    p[1].options.identity = presented;
    connect_all(p, 2);
}

static void a_wrong_certificate_is_refused(void **state)
{
    const fixture *f = *state;
    participant p[2];
    run_pair_with(f, p, f->eve);
    run_all(p, 2);
    assert_int_equal(p[0].status, CM_EDENIED);
    assert_string_equal(p[0].diag.party, "registry");
    assert_string_equal(p[0].diag.sqlstate, "28000");
    assert_int_not_equal(p[1].status, CM_OK);
    assert_string_equal(p[1].diag.party, "insurer");

    /* And a client with a wrong one, by the server. */
    run_pair_with(f, p, f->ids[1]);
    p[0].options.identity = f->eve;
    run_all(p, 2);
    assert_int_equal(p[1].status, CM_EDENIED);
    assert_string_equal(p[1].diag.party, "insurer");
    assert_int_equal(p[0].status, CM_EDENIED);
    assert_string_equal(p[0].diag.message, "link to registry: the peer refused our certificate");
}

static void an_expired_certificate_is_refused(void **state)
{
    const fixture *f = *state;
    participant p[2];
    run_pair_with(f, p, f->expired);
    p[0].certs[1] = *cm_identity_cert(f->expired); /* agreed, but too old */
    run_all(p, 2);
    assert_int_equal(p[0].status, CM_EDENIED);
    assert_string_equal(p[0].diag.message, "link to registry: the certificate has expired");
    assert_int_not_equal(p[1].status, CM_OK);
}

static void a_silent_handshake_ends(void **state)
{
    participant p;
    int fds[2];
    prepare(*state, &p, 0, 2, do_nothing);
    tcp_pair(fds);
    p.fds[1] = fds[0];
    p.options.timeout_ms = 100;
    int64_t start = cm_clock_ms();
    run_participant(&p);
    assert_int_equal(p.status, CM_EPEER);
    assert_string_equal(p.diag.party, "registry");
    assert_true(cm_clock_ms() - start < 3000);
    /* The mesh closed its socket. */
    uint8_t rest[4096];
    while (read(fds[1], rest, sizeof rest) > 0) {
    }
    close(fds[1]);
}

/* ---- raw peers: plain links, the test plays participant 1 byte by byte ---- */

enum { HELLO_BYTES = 44 };

/* With no purpose: zeros. */
static const uint8_t HELLO_OF_1[HELLO_BYTES] = {'c', 'o', 'm', 'i', 't', 'y', '/', '2', 0, 1, 0, 2};

typedef struct raw_case {
    const char *bytes; /* after the hello */
    size_t count;
    bool stay_open;
    cm_status expected;
} raw_case;

static void recv_eight(participant *p)
{
    uint8_t data[8] = {1};
    const uint8_t zero[8] = {0};
    p->status = cm_mesh_recv(p->mesh, 1, data, 8);
    expect(p, p->status == CM_OK || memcmp(data, zero, 8) == 0);
}

static void run_raw(const fixture *f, const uint8_t hello[static HELLO_BYTES], const raw_case *c)
{
    participant p;
    int fds[2];
    prepare(f, &p, 0, 2, recv_eight);
    p.plain = true;
    p.options.timeout_ms = 300;
    p.options.idle_timeout_ms = 100;
    tcp_pair(fds);
    p.fds[1] = fds[0];
    assert_int_equal(write(fds[1], hello, HELLO_BYTES), HELLO_BYTES);
    assert_int_equal(write(fds[1], c->bytes, c->count), c->count);
    if (!c->stay_open) {
        assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    }
    int64_t start = cm_clock_ms();
    run_participant(&p);
    assert_true(cm_clock_ms() - start < 3000);
    assert_int_equal(p.status, c->expected);
    assert_int_equal(p.wrong, 0);
    if (c->expected != CM_OK) {
        assert_string_equal(p.diag.party, "registry");
    }
    close(fds[1]);
}

static void misbehaving_peers_end_in_errors(void **state)
{
    static const raw_case cases[] = {
        {"\0\0\0\x08"
         "12345678",
         12, true, CM_OK},
        {"\0\0\0\x07"
         "1234567",
         11, true, CM_EPROTO},
        {"\0\0\0\0", 4, true, CM_EPROTO},
        {"\x40\0\0\x01", 4, true, CM_EPROTO},     /* longer than any frame */
        {"\xff\xff\xfe\xff", 4, true, CM_EPROTO}, /* just below a goodbye */
        {"\x40\0\0\0", 4, true, CM_EPROTO},       /* allowed, and not what was expected */
        {"\0\0\0\x08"
         "1234",
         8, false, CM_EPEER}, /* closes mid-frame */
        {"\0\0", 2, false, CM_EPEER},
        {"", 0, false, CM_EPEER},
        {"", 0, true, CM_EPEER}, /* silent */
        {"\0\0\0\x08"
         "1234",
         8, true, CM_EPEER},
        {"\xff\xff\xff\xff", 4, true, CM_EPEER}, /* goodbye */
        {"\xff\xff\xff\0", 4, true, CM_EPEER},   /* goodbye, blaming the receiver */
    };
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        run_raw(*state, HELLO_OF_1, &cases[i]);
    }
}

/* Both ends are who they say, and their certificates are right: of another job, or lane. */
static void links_for_another_purpose_are_refused(void **state)
{
    for (int plain = 0; plain < 2; plain++) {
        participant p[2];
        for (unsigned i = 0; i < 2; i++) {
            prepare(*state, &p[i], i, 2, swap_large);
            p[i].plain = plain;
            p[i].options.purpose.bytes[31] = (uint8_t)i;
        }
        connect_all(p, 2);
        run_all(p, 2);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_not_equal(p[i].status, CM_OK);
            assert_null(p[i].mesh);
        }
        assert_true(p[0].status == CM_EPROTO || p[1].status == CM_EPROTO);
    }
}

static void a_wrong_hello_is_refused(void **state)
{
    for (size_t at = 0; at < sizeof HELLO_OF_1; at++) {
        uint8_t hello[HELLO_BYTES];
        const raw_case c = {"", 0, true, CM_EPROTO};
        memcpy(hello, HELLO_OF_1, HELLO_BYTES);
        hello[at] ^= 4;
        run_raw(*state, hello, &c);
    }
}

/* ---- failures spread, and name the party at fault ---- */

static void fall_silent(participant *p)
{
    struct timespec pause = {.tv_sec = 0, .tv_nsec = 600000000};
    uint8_t byte;
    if (p->options.me == 2) {
        nanosleep(&pause, NULL); /* hospital sends nothing */
        return;
    }
    /* The registry waits for the hospital, the insurer, patiently, for the registry. */
    p->status = cm_mesh_recv(p->mesh, p->options.me + 1, &byte, 1);
}

static void the_silent_party_is_named_by_all(void **state)
{
    participant p[PARTIES];
    for (unsigned i = 0; i < PARTIES; i++) {
        prepare(*state, &p[i], i, PARTIES, fall_silent);
    }
    p[1].options.idle_timeout_ms = 200;
    connect_all(p, PARTIES);
    run_all(p, PARTIES);
    assert_int_equal(p[1].status, CM_EPEER);
    assert_string_equal(p[1].diag.message, "hospital sent nothing for 200 ms");
    assert_string_equal(p[1].diag.party, "hospital");
    assert_int_equal(p[0].status, CM_EPEER);
    assert_string_equal(p[0].diag.party, "hospital");
}

/* ---- a proxy inside the TLS stream ---- */

typedef struct proxy {
    int ends[2];
    size_t flip_at; /* byte of the stream from end 0 to end 1 that is changed; SIZE_MAX: none */
    size_t passed;  /* bytes that went from end 0 to end 1 */
} proxy;

static void write_whole(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t put = send(fd, data, bytes, MSG_NOSIGNAL);
        if (put <= 0) {
            return;
        }
        data += put;
        bytes -= (size_t)put;
    }
}

static void *run_proxy(void *arg)
{
    proxy *x = arg;
    uint8_t data[4096];
    bool open[2] = {true, true};
    while (open[0] || open[1]) {
        struct pollfd polls[2];
        for (int i = 0; i < 2; i++) {
            polls[i] = (struct pollfd){.fd = open[i] ? x->ends[i] : -1, .events = POLLIN};
        }
        poll(polls, 2, -1);
        for (int i = 0; i < 2; i++) {
            if (polls[i].revents == 0) {
                continue;
            }
            ssize_t got = read(x->ends[i], data, sizeof data);
            if (got <= 0) {
                open[i] = false;
                shutdown(x->ends[1 - i], SHUT_WR);
                continue;
            }
            size_t bytes = (size_t)got;
            if (i == 0 && x->flip_at - x->passed < bytes) {
                data[x->flip_at - x->passed] ^= 1;
            }
            x->passed += i == 0 ? bytes : 0;
            write_whole(x->ends[1 - i], data, bytes);
        }
    }
    close(x->ends[0]);
    close(x->ends[1]);
    return NULL;
}

static void exchange_once(participant *p)
{
    enum { BYTES = 40000 };
    uint8_t out[BYTES], in[BYTES];
    unsigned me = p->options.me;
    for (size_t i = 0; i < BYTES; i++) {
        out[i] = pattern(me, 0, i);
    }
    p->status = cm_mesh_send(p->mesh, 1 - me, out, BYTES);
    if (p->status == CM_OK) {
        p->status = cm_mesh_recv(p->mesh, 1 - me, in, BYTES);
    }
    for (size_t i = 0; i < BYTES && p->status == CM_OK; i++) {
        expect(p, in[i] == pattern(1 - me, 0, i));
    }
}

/* Returns the bytes that participant 0 sent. */
static size_t run_through_proxy(const fixture *f, size_t flip_at, participant p[2])
{
    int left[2], right[2];
    pthread_t thread;
    for (unsigned i = 0; i < 2; i++) {
        prepare(f, &p[i], i, 2, exchange_once);
        p[i].options.timeout_ms = 150;
        p[i].options.idle_timeout_ms = 150;
    }
    tcp_pair(left);
    tcp_pair(right);
    p[0].fds[1] = left[0];
    p[1].fds[0] = right[0];
    proxy x = {.ends = {left[1], right[1]}, .flip_at = flip_at};
    assert_int_equal(pthread_create(&thread, NULL, run_proxy, &x), 0);
    run_all(p, 2);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return x.passed;
}

static void a_flipped_byte_is_an_error_and_never_wrong_data(void **state)
{
    participant p[2];
    size_t total = run_through_proxy(*state, SIZE_MAX, p);
    assert_int_equal(p[0].status, CM_OK);
    assert_int_equal(p[1].status, CM_OK);
    assert_int_equal(p[0].wrong + p[1].wrong, 0);
    assert_true(total > 40000);

    for (size_t at = 0; at < total; at += at < 1200 ? 61 : 4001) {
        run_through_proxy(*state, at, p);
        assert_int_not_equal(p[1].status, CM_OK);
        assert_int_equal(p[0].wrong + p[1].wrong, 0);
    }
}

/* A participant without a link to another one: an owner that talks to one party only. */
static void talk_to_first(participant *p)
{
    if (p->options.me == 0) {
        recv_pattern(p, 1, 1, 100);
        recv_pattern(p, 2, 2, 100);
    } else {
        send_pattern(p, 0, p->options.me, 100);
    }
}

static void pairs_without_a_link(void **state)
{
    participant p[PARTIES];
    for (unsigned i = 0; i < PARTIES; i++) {
        prepare(*state, &p[i], i, PARTIES, talk_to_first);
    }
    connect_all(p, PARTIES);
    close(p[1].fds[2]);
    close(p[2].fds[1]);
    p[1].fds[2] = p[2].fds[1] = -1;
    run_all(p, PARTIES);
    for (unsigned i = 0; i < PARTIES; i++) {
        assert_int_equal(p[i].status, CM_OK);
        assert_int_equal(p[i].wrong, 0);
    }
}

static void sockets_are_closed_on_failure(void **state)
{
    participant p;
    int fds[2];
    prepare(*state, &p, 0, 3, do_nothing);
    tcp_pair(fds);
    p.fds[1] = fds[0];
    p.fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC); /* cannot be talked to */
    int null_fd = p.fds[2];
    p.options.timeout_ms = 100;
    run_participant(&p);
    assert_int_not_equal(p.status, CM_OK);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(fcntl(null_fd, F_GETFD), -1);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_in_every_order),
        cmocka_unit_test(large_frames_cross_without_deadlock),
        cmocka_unit_test(a_leaving_sender_is_heard),
        cmocka_unit_test(a_wrong_certificate_is_refused),
        cmocka_unit_test(an_expired_certificate_is_refused),
        cmocka_unit_test(a_silent_handshake_ends),
        cmocka_unit_test(misbehaving_peers_end_in_errors),
        cmocka_unit_test(a_wrong_hello_is_refused),
        cmocka_unit_test(links_for_another_purpose_are_refused),
        cmocka_unit_test(the_silent_party_is_named_by_all),
        cmocka_unit_test(a_flipped_byte_is_an_error_and_never_wrong_data),
        cmocka_unit_test(pairs_without_a_link),
        cmocka_unit_test(sockets_are_closed_on_failure),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
