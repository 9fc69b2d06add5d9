/* Shows a directory as a filesystem that is odd (libfuse's high-level interface).
 *
 * oddfs BACKING MOUNTPOINT. What it claims of an object is in attributes of the object:
 * trusted.odd.ino, .nlink and .size, and .error, the errno of reading it. The change time
 * is the modification time, so that files can be made that no time tells apart. */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *backing;

static void find(char *found, const char *path)
{
	snprintf(found, PATH_MAX, "%s%s", backing, path);
}

static int claim(const char *path, const char *name, unsigned long long *value)
{
	char text[32];
	ssize_t size = lgetxattr(path, name, text, sizeof text - 1);
	if (size < 0)
		return 0;
	text[size] = 0;
	*value = strtoull(text, NULL, 10);
	return 1;
}

static int odd_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
	char found[PATH_MAX];
	unsigned long long value;
	(void)info;
	find(found, path);
	if (lstat(found, status))
		return -errno;
	if (claim(found, "trusted.odd.ino", &value))
		status->st_ino = value;
	if (claim(found, "trusted.odd.nlink", &value))
		status->st_nlink = value;
	if (claim(found, "trusted.odd.size", &value))
		status->st_size = value;
	status->st_ctim = status->st_mtim;
	return 0;
}

static int odd_readlink(const char *path, char *target, size_t size)
{
	char found[PATH_MAX];
	find(found, path);
	ssize_t length = readlink(found, target, size - 1);
	if (length < 0)
		return -errno;
	target[length] = 0;
	return 0;
}

static int odd_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
		       struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	char found[PATH_MAX];
	(void)offset, (void)info, (void)flags;
	find(found, path);
	DIR *directory = opendir(found);
	if (!directory)
		return -errno;
	for (struct dirent *entry; (entry = readdir(directory));)
		fill(buffer, entry->d_name, NULL, 0, 0);
	closedir(directory);
	return 0;
}

static int odd_open(const char *path, struct fuse_file_info *info)
{
	char found[PATH_MAX];
	find(found, path);
	int fd = open(found, O_RDONLY | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	info->fh = fd;
	info->direct_io = 1; /* Or the kernel would fill up what is too short with zeros. */
	return 0;
}

static int odd_read(const char *path, char *buffer, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	char found[PATH_MAX];
	unsigned long long error;
	find(found, path);
	if (claim(found, "trusted.odd.error", &error))
		return -(int)error;
	ssize_t done = pread(info->fh, buffer, size, offset);
	return done < 0 ? -errno : done;
}

static int odd_release(const char *path, struct fuse_file_info *info)
{
	(void)path;
	return close(info->fh);
}

static void *odd_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->use_ino = 1;
	config->attr_timeout = 0; /* Or the kernel would believe what it reads instead. */
	return NULL;
}

static const struct fuse_operations operations = {
	.init = odd_init,
	.getattr = odd_getattr,
	.readlink = odd_readlink,
	.readdir = odd_readdir,
	.open = odd_open,
	.read = odd_read,
	.release = odd_release,
};

int main(int count, char **words)
{
	if (count != 3)
		return 2;
	backing = words[1];
	char *ours[] = {words[0], "-f", "-o", "ro,allow_other", words[2], NULL};
	return fuse_main(5, ours, &operations, NULL);
}
