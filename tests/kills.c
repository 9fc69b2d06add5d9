/* Preloaded into a program (ld.so(8)): ends it at the n-th of its writes, as a power cut
 * would. What changes a filesystem counts; a write of content counts twice, before it and
 * half way through. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static long left;

/* Die at the n-th write from now on, or never if that is 0. */
void kills_at(long n) { left = n; }

static void reach(void)
{
	if (left > 0 && --left == 0)
		kill(getpid(), SIGKILL);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define COUNTED(name, parameters, arguments) \
	int name parameters { REAL(name); reach(); return real arguments; }
#define OPEN(name, parameters, arguments) \
	int name parameters \
	{ \
		REAL(name); \
		va_list rest; \
		va_start(rest, flags); \
		mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
		va_end(rest); \
		if (flags & (O_CREAT | O_TRUNC)) \
			reach(); \
		return real arguments; \
	}

OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))
/* Who is killed loses nothing that is not synced, and disks are slow: only count these. */
int fsync(int fd) { (void)fd; reach(); return 0; }
int fdatasync(int fd) { (void)fd; reach(); return 0; }
COUNTED(ftruncate, (int fd, off_t size), (fd, size))
COUNTED(ftruncate64, (int fd, off64_t size), (fd, size))
COUNTED(fchmod, (int fd, mode_t mode), (fd, mode))
COUNTED(fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
COUNTED(chmod, (const char *path, mode_t mode), (path, mode))
COUNTED(unlink, (const char *path), (path))
COUNTED(unlinkat, (int at, const char *path, int flags), (at, path, flags))
COUNTED(rename, (const char *from, const char *to), (from, to))
COUNTED(renameat, (int at, const char *from, int to_at, const char *to),
	(at, from, to_at, to))
COUNTED(link, (const char *from, const char *to), (from, to))
COUNTED(linkat, (int at, const char *from, int to_at, const char *to, int flags),
	(at, from, to_at, to, flags))

ssize_t write(int fd, const void *data, size_t size)
{
	REAL(write);
	struct stat status;
	if (fd > 2 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		reach();
		if (left == 1)
			real(fd, data, size / 2);
		reach();
	}
	return real(fd, data, size);
}
