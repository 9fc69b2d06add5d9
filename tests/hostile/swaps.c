/* Swaps pairs of names, as some user: swaps USER EACH (DIRECTORY NAME NAME)...
 *
 * For each byte of its input it swaps EACH times, one pair after the other; at its end, it
 * prints how many swaps that were. The directories are opened beforehand, so that every
 * swap is one, wherever its directory has been swapped to. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Let somebody else do something between two swaps, so that all of a look is hit. */
static void pause_a_little(void)
{
	struct timespec begin, now;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < 12000);
}

int main(int count, char **words)
{
	int pairs = (count - 3) / 3, fds[pairs];
	uid_t user = atoi(words[1]);
	long each = atol(words[2]), done = 0;
	for (int pair = 0; pair < pairs; pair++)
		if ((fds[pair] = open(words[3 + pair * 3], O_PATH | O_DIRECTORY)) < 0)
			err(1, "%s", words[3 + pair * 3]);
	if (setresgid(user, user, user) || setresuid(user, user, user))
		err(1, "setresuid");
	for (char byte; read(0, &byte, 1) == 1;)
		for (long swap = 0; swap < each; swap++, done++) {
			int pair = done % pairs;
			char **names = words + 4 + pair * 3;
			if (renameat2(fds[pair], names[0], fds[pair], names[1],
				      RENAME_EXCHANGE))
				err(1, "renameat2");
			pause_a_little();
		}
	printf("%ld\n", done);
	return 0;
}
