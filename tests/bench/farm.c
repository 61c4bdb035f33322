/* Many Modbus TCP devices on libmodbus's server, in one process, for benchmarks.
 *
 *   farm DEVICES REGISTERS
 *
 * Each device has REGISTERS holding registers and one coil, and listens on a port of its own on 127.0.0.1.
 * Says {"ports": [..]} when it serves. Then commands on standard input, each answered by one line of JSON:
 *   coil DEVICE VALUE   set the coil, and watch for the first read of it         {"ns": when}
 *   served              when the coil that was set last was first read           {"ns": when, 0: not yet}
 *   churn 0|1           1: each read of registers first changes every one of that device
 *   toggle 0|1          1: each read of a coil first flips it
 *   stats               {"ns", "cpu_s", "requests": [..], "changes": [..]}, the lists with one number a device;
 *                       changes: how often a coil was read with another value than the time before
 * Times are CLOCK_MONOTONIC nanoseconds. Ends at the end of its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_DEVICES 256
#define MOST_FDS 4096
#define NOBODY -1

struct device {
    modbus_mapping_t *map;
    int listener, last_coil;
    unsigned long requests, changes;
};

static struct device devices[MOST_DEVICES];
static int count, owner[MOST_FDS]; /* fd -> device */
static int churn, toggle, watched = NOBODY;
static long long served_ns;
static modbus_t *context;

static long long now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void stats(void)
{
    struct rusage use;
    int i;

    getrusage(RUSAGE_SELF, &use);
    printf("{\"ns\": %lld, \"cpu_s\": %.6f, \"requests\": [", now_ns(),
           use.ru_utime.tv_sec + use.ru_stime.tv_sec + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    for (i = 0; i < count; i++)
        printf(i ? ", %lu" : "%lu", devices[i].requests);
    printf("], \"changes\": [");
    for (i = 0; i < count; i++)
        printf(i ? ", %lu" : "%lu", devices[i].changes);
    puts("]}");
}

static void command(const char *line)
{
    int device, value;

    if (sscanf(line, "coil %d %d", &device, &value) == 2 && device >= 0 && device < count) {
        devices[device].map->tab_bits[0] = value != 0;
        watched = device;
        served_ns = 0;
        printf("{\"ns\": %lld}\n", now_ns());
    } else if (!strcmp(line, "served")) {
        printf("{\"ns\": %lld}\n", served_ns);
    } else if (sscanf(line, "churn %d", &churn) == 1 || sscanf(line, "toggle %d", &toggle) == 1) {
        printf("{\"ns\": %lld}\n", now_ns());
    } else if (!strcmp(line, "stats")) {
        stats();
    } else {
        puts("{\"error\": \"unknown command\"}");
    }
    fflush(stdout);
}

/* 0 at the end of standard input */
static int commands(void)
{
    static char text[4096];
    static size_t used;
    char *end;
    ssize_t got = read(0, text + used, sizeof text - used - 1);

    if (got <= 0)
        return 0;
    used += got;
    text[used] = 0;
    while ((end = strchr(text, '\n'))) {
        *end = 0;
        command(text);
        used -= end + 1 - text;
        memmove(text, end + 1, used + 1);
    }
    return 1;
}

/* What the device does when it is read: query[7] is the function code. */
static void before_read(int number, int function)
{
    struct device *device = &devices[number];
    modbus_mapping_t *map = device->map;
    int i;

    device->requests++;
    if (function == MODBUS_FC_READ_HOLDING_REGISTERS && churn)
        for (i = 0; i < map->nb_registers; i++)
            map->tab_registers[i]++;
    if (function != MODBUS_FC_READ_COILS)
        return;
    if (toggle)
        map->tab_bits[0] ^= 1;
    if (device->last_coil != NOBODY && device->last_coil != map->tab_bits[0])
        device->changes++;
    device->last_coil = map->tab_bits[0];
    if (number == watched && !served_ns)
        served_ns = now_ns();
}

/* 0 when the peer is gone */
static int serve(int fd)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int length;

    modbus_set_socket(context, fd);
    length = modbus_receive(context, query);
    if (length < 0)
        return 0;
    if (length > 0) {
        before_read(owner[fd], query[7]);
        modbus_reply(context, query, length, devices[owner[fd]].map);
    }
    return 1;
}

static void follow(int poller, int fd)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};

    if (fd >= MOST_FDS || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted)) {
        perror("farm: cannot follow a connection");
        exit(1);
    }
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&name, size) || listen(fd, 16) || getsockname(fd, (struct sockaddr *)&name, &size)) {
        perror("farm: cannot listen");
        exit(1);
    }
    *port = ntohs(name.sin_port);
    return fd;
}

static void set_up(int poller, int registers)
{
    int i, j, port;

    printf("{\"ports\": [");
    for (i = 0; i < count; i++) {
        struct device *device = &devices[i];

        device->map = modbus_mapping_new(1, 0, registers, 0);
        for (j = 0; j < registers; j++)
            device->map->tab_registers[j] = 1000 + j;
        device->last_coil = NOBODY;
        device->listener = listen_anywhere(&port);
        owner[device->listener] = i;
        follow(poller, device->listener);
        printf(i ? ", %d" : "%d", port);
    }
    puts("]}");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct epoll_event ready[64];
    int poller = epoll_create1(0), one = 1, i, n;

    count = argc == 3 ? atoi(argv[1]) : 0;
    if (count < 1 || count > MOST_DEVICES)
        return fprintf(stderr, "usage: farm DEVICES REGISTERS, at most %d devices\n", MOST_DEVICES), 2;
    context = modbus_new_tcp("127.0.0.1", 0);
    follow(poller, 0);
    set_up(poller, atoi(argv[2]));
    for (;;) {
        if ((n = epoll_wait(poller, ready, 64, -1)) < 0 && errno != EINTR)
            return 1;
        for (i = 0; i < n; i++) {
            int fd = ready[i].data.fd, peer;

            if (fd == 0) {
                if (!commands())
                    return 0;
            } else if (fd == devices[owner[fd]].listener) {
                if ((peer = accept(fd, NULL, NULL)) < 0)
                    continue;
                setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                follow(poller, peer);
                owner[peer] = owner[fd];
            } else if (!serve(fd)) {
                close(fd);
            }
        }
    }
}
