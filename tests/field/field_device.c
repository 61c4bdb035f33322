/* An independent Modbus device on libmodbus's server, for tests of the gateway's wire.
 *
 *   field_device tcp PORT                  all unit ids, on 127.0.0.1; PORT 0: any free one
 *   field_device rtu PATH BAUD UNIT
 *
 * Says "ready [PORT]" when it serves. Then commands on standard input, one a line, each answered by one line:
 *   coil ADDRESS VALUE | input ADDRESS VALUE | holding ADDRESS VALUE | register ADDRESS VALUE   set; says "ok"
 *   get coil ADDRESS | get holding ADDRESS                                               says the number
 *   count                                                                                says requests served
 *   silent 0|1                                                                           stop or go on answering
 * Ends at the end of its standard input.
 */
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 1024

static modbus_mapping_t *map;
static unsigned long requests;
static int silent;

static int command(char *line)
{
    char what[16];
    unsigned at, value;

    if (sscanf(line, "get %15s %u", what, &at) == 2 && at < SIZE) {
        printf("%u\n", strcmp(what, "coil") ? map->tab_registers[at] : map->tab_bits[at]);
    } else if (sscanf(line, "silent %d", &silent) == 1) {
        puts("ok");
    } else if (!strncmp(line, "count", 5)) {
        printf("%lu\n", requests);
    } else if (sscanf(line, "%15s %u %u", what, &at, &value) == 3 && at < SIZE) {
        if (!strcmp(what, "coil"))
            map->tab_bits[at] = value != 0;
        else if (!strcmp(what, "input"))
            map->tab_input_bits[at] = value != 0;
        else if (!strcmp(what, "holding"))
            map->tab_registers[at] = value;
        else if (!strcmp(what, "register"))
            map->tab_input_registers[at] = value;
        else
            return puts("unknown"), fflush(stdout);
        puts("ok");
    } else {
        puts("unknown");
    }
    return fflush(stdout);
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

/* 0 when the peer is gone */
static int serve(modbus_t *context)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int length = modbus_receive(context, query);

    if (length > 0) {
        requests++;
        if (!silent)
            modbus_reply(context, query, length, map);
    }
    /* noise, a bad CRC, half a frame: the device goes on; only a closed connection ends it */
    return !(length == -1 && (errno == ECONNRESET || errno == EPIPE || errno == EBADF));
}

int main(int argc, char **argv)
{
    int tcp = argc == 3 && !strcmp(argv[1], "tcp");
    int listener = -1, peer = -1;
    modbus_t *context;

    if (!tcp && !(argc == 5 && !strcmp(argv[1], "rtu")))
        return fprintf(stderr, "usage: field_device tcp PORT | rtu PATH BAUD UNIT\n"), 2;
    context = tcp ? modbus_new_tcp("127.0.0.1", atoi(argv[2])) : modbus_new_rtu(argv[2], atoi(argv[3]), 'N', 8, 1);
    map = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    if (!context || !map)
        return fprintf(stderr, "libmodbus: %s\n", modbus_strerror(errno)), 1;
    if (tcp) {
        struct sockaddr_in name;
        socklen_t size = sizeof name;

        if ((listener = modbus_tcp_listen(context, 1)) < 0 || getsockname(listener, (struct sockaddr *)&name, &size))
            return fprintf(stderr, "cannot listen: %s\n", modbus_strerror(errno)), 1;
        printf("ready %d\n", ntohs(name.sin_port));
    } else {
        modbus_set_slave(context, atoi(argv[4]));
        if (modbus_connect(context))
            return fprintf(stderr, "cannot open: %s\n", modbus_strerror(errno)), 1;
        peer = modbus_get_socket(context);
        puts("ready");
    }
    fflush(stdout);
    for (;;) {
        int wire = peer >= 0 ? peer : listener;
        fd_set ready;

        FD_ZERO(&ready);
        FD_SET(0, &ready);
        FD_SET(wire, &ready);
        if (select(wire + 1, &ready, NULL, NULL, NULL) < 0)
            return 1;
        if (FD_ISSET(0, &ready) && !commands())
            return 0;
        if (!FD_ISSET(wire, &ready))
            continue;
        if (peer < 0)
            peer = modbus_tcp_accept(context, &listener);
        else if (!serve(context) && tcp) {
            close(peer);
            peer = -1;
        }
    }
}
