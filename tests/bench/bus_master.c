/* The C master on a paced line: libmodbus, unit after unit, as fast as they answer.
 *
 *   bus_master LINK BAUD UNITS FUNCTION COUNT      FUNCTION 2 or 3
 *
 * libmodbus keeps no silence before a request, so it is kept here: t3.5. Runs until SIGTERM, then prints one line of
 * JSON: polls, errors.
 */
#include <modbus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIMEOUT_S 1
#define FIXED_SILENCE_S 0.00175 /* above 19200 baud */

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void sleep_until(double when_s)
{
    double rest_s = when_s - now_s();
    struct timespec rest = {0, (long)(rest_s * 1e9)};

    if (rest_s > 0)
        nanosleep(&rest, NULL);
}

int main(int argc, char **argv)
{
    uint16_t registers[MODBUS_MAX_READ_REGISTERS];
    uint8_t bits[MODBUS_MAX_READ_BITS];
    unsigned long polls = 0, errors = 0;
    int baud, units, function, count, unit = 0;
    double silence_s, ended_s = 0;
    modbus_t *line;

    if (argc != 6)
        return fprintf(stderr, "usage: bus_master LINK BAUD UNITS FUNCTION COUNT\n"), 2;
    baud = atoi(argv[2]), units = atoi(argv[3]), function = atoi(argv[4]), count = atoi(argv[5]);
    if (baud < 1 || units < 1 || count < 1 || count > MODBUS_MAX_READ_REGISTERS)
        return 2;
    silence_s = baud <= 19200 ? 3.5 * 11 / baud : FIXED_SILENCE_S;
    line = modbus_new_rtu(argv[1], baud, 'N', 8, 1);
    if (!line || modbus_connect(line))
        return perror("bus_master"), 1;
    modbus_set_response_timeout(line, TIMEOUT_S, 0);
    signal(SIGTERM, stop);
    while (!stopped) {
        int got;

        unit = unit % units + 1;
        modbus_set_slave(line, unit);
        sleep_until(ended_s + silence_s);
        got = function == 2 ? modbus_read_input_bits(line, 0, count, bits) : modbus_read_registers(line, 0, count, registers);
        ended_s = now_s();
        polls++;
        errors += got != count;
    }
    printf("{\"polls\": %lu, \"errors\": %lu}\n", polls, errors);
    return 0;
}
