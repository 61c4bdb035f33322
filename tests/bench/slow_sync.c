/* LD_PRELOAD: fdatasync and fsync take SLOW_SYNC_MS longer, as on a worn SD card. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_first(void)
{
	const char *text = getenv("SLOW_SYNC_MS");
	long ms = text ? atol(text) : 0;
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&left, &left))
		;
}

int fdatasync(int fd)
{
	wait_first();
	return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	wait_first();
	return (int)syscall(SYS_fsync, fd);
}
